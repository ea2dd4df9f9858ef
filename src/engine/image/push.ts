import type { ImageBackend, Progress } from "../../api/backend.ts";
import { BerthError } from "../../spec/errors.ts";
import { familiarName, parseReference } from "../../spec/reference.ts";
import type { EngineContext } from "../context.ts";
import { announce, credentialsOf, meant } from "./pull.ts";

/** Pushes one tag, or all of the repository's; announced when all are there. */
export async function* pushImage(
  ctx: EngineContext,
  name: string,
  { tag, platform, auth, signal }: Parameters<ImageBackend["push"]>[1],
): AsyncGenerator<Progress> {
  const { ref: named, credentials } = isHere(ctx, name)
    ? { ref: parseReference(name), credentials: credentialsOf(auth) }
    : meant(ctx, name, auth);
  if (named.digest) throw new BerthError("invalid-argument", "cannot push a digest reference");
  const ref = tag ? { ...named, tag } : named;
  for await (const line of ctx.images.push(ctx.registry, ref, {
    credentials,
    signal,
    ...(platform ? { platform } : {}),
  })) {
    yield { ...line };
    if (line.aux) {
      announce(ctx, "push", { ...ref, tag: line.aux.Tag });
    }
  }
}

/** Whether there are images of just that repository: then it is no short name. */
function isHere(ctx: EngineContext, name: string): boolean {
  const reference = [familiarName(parseReference(name))];
  return ctx.images.list({ all: false, filters: { reference } }).length > 0;
}
