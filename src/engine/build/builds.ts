import type { BuildBackend, Progress } from "../../api/backend.ts";
import { remoteContext } from "../../build/remote.ts";
import { ensureDir } from "../../host/files.ts";
import type { Image } from "../../image/types.ts";
import { BerthError } from "../../spec/errors.ts";
import { isGitUrl } from "../../spec/git-context.ts";
import { parseReference } from "../../spec/reference.ts";
import { registryOf } from "../../spec/resolution.ts";
import type { EngineContext } from "../context.ts";
import { pullImages } from "../image/pull.ts";
import { emitImage } from "../image/users.ts";
import { gitContext } from "./git.ts";
import { checkLimits } from "./limits.ts";
import { pruneBuildCache } from "./prune.ts";
import { buildRunner } from "./runner.ts";

/** Under which Docker Hub's credentials come. */
const HUB = "https://index.docker.io/v1/";

/** Router `build`. */
export function buildBackend(ctx: EngineContext): BuildBackend {
  return {
    build: (context, options) => build(ctx, context, options),
    prune: (options) => pruneBuildCache(ctx, options),
  };
}

function fromElsewhere(
  remote: string,
  options: { dockerfile: string; tmp: string; signal?: AbortSignal },
): AsyncIterable<Uint8Array> {
  if (isGitUrl(remote)) return gitContext(remote, options);
  if (/^https?:\/\//.test(remote)) return remoteContext(remote, options);
  throw new BerthError("invalid-argument", `remoteURL (${remote}) could not be recognized as URL`);
}

/** Builds, forwarding the builder's messages; the image's events come at the end. A client that leaves cancels by the signal. */
async function* build(
  ctx: EngineContext,
  context: AsyncIterable<Uint8Array>,
  options: Parameters<BuildBackend["build"]>[1],
): AsyncGenerator<Progress> {
  const { records, blobs, layers, images, leases } = ctx;
  checkLimits(ctx, options.limits);
  if (options.squash && !ctx.config.experimental)
    throw new BerthError("invalid-argument", "squash is only supported with experimental mode");
  const tmp = `${ctx.dataRoot}/tmp`;
  ensureDir(tmp);
  const tar = options.remote ? fromElsewhere(options.remote, { ...options, tmp }) : context;
  const pull = (name: string, platform: string | undefined): AsyncIterable<Progress> => {
    const registry = registryOf(parseReference(name), ctx.registry.options);
    const known = options.auths?.[registry === "docker.io" ? HUB : registry];
    const auth = known ? { auth: { ...known, serveraddress: registry } } : {};
    const rest = { all: false, signal: options.signal, ...(platform ? { platform } : {}), ...auth };
    return pullImages(ctx, name, rest);
  };
  const runner = buildRunner(ctx);
  const steps = ctx.build(tar, options, { records, blobs, layers, images, leases, runner, pull, tmp });
  let image: Image;
  for (;;) {
    const step = await steps.next();
    if (step.done) {
      image = step.value;
      break;
    }
    yield { ...step.value };
  }
  for (const name of image.tags) if (options.tags.length > 0) emitImage(ctx, "tag", { id: image.id, name });
}
