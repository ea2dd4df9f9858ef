import type { Image, ImageStore } from "../image/types.ts";
import { BerthError, isKind, messageOf } from "../spec/errors.ts";
import type { ImageRunConfig, Platform } from "../spec/oci.ts";
import { formatPlatform, hostPlatform, parsePlatform, platformMatches } from "../spec/platform.ts";
import type { Stage } from "./graph.ts";
import type { Session, StageState } from "./state.ts";

/** What Docker gives an image from scratch. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The state that a stage begins with: empty for scratch, else an image's. An image that is not here is an error that says how to get it. */
export function startOf(session: Session, stage: Stage): StageState {
  const platform = platformOf(session, stage);
  const fresh = { args: new Map<string, string>(), declared: [], cmdSet: false, untouched: true };
  if (stage.image === "scratch") {
    const run = { Env: [`PATH=${DEFAULT_PATH}`], WorkingDir: "/" };
    return { ...fresh, run, history: [], platform: platform ?? hostPlatform() };
  }
  const image = findImage(session, stage.image);
  const own = { os: image.config.os, architecture: image.config.architecture };
  const actual: Platform = image.config.variant ? { ...own, variant: image.config.variant } : own;
  if (platform && !platformMatches(actual, platform)) {
    throw new BerthError(
      "not-found",
      `image with reference ${stage.image} was found but its platform (${formatPlatform(actual)}) does not match the specified platform (${formatPlatform(platform)})`,
      { hint: "load an image for that platform, or drop --platform" },
    );
  }
  if (image.top) session.hold(image.top);
  return {
    ...fresh,
    ...(image.top ? { top: image.top } : {}),
    run: image.config.config ?? {},
    history: image.config.history ?? [],
    ...(image.config.author ? { author: image.config.author } : {}),
    platform: actual,
    base: image.id,
  };
}

/** Sees to it that the image is here: one that is not, or with `pull` each, comes from its registry. */
export async function ensureImage(session: Session, name: string, platform?: string): Promise<void> {
  const { images, pull } = session.deps;
  if (name === "scratch" || (!session.options.pull && isHere(images, name))) return;
  for await (const message of pull(name, platform ?? session.options.platform)) session.emit(message);
}

function isHere(images: ImageStore, name: string): boolean {
  try {
    images.resolve(name);
    return true;
  } catch (error) {
    if (isKind(error, "not-found")) return false;
    throw error;
  }
}

/** An image by the name that FROM or --from gives. */
export function findImage(session: Session, name: string): Image {
  try {
    return session.deps.images.resolve(name);
  } catch (cause) {
    if (!isKind(cause, "not-found")) throw cause;
    throw new BerthError("not-found", messageOf(cause), {
      hint: "make it with 'berth bootstrap' or bring it with 'berth load'",
      cause,
    });
  }
}

/** The configuration without the triggers, which run in the first child only. */
export function withoutTriggers(run: ImageRunConfig): ImageRunConfig {
  const { OnBuild: _, ...rest } = run;
  return rest;
}

function platformOf(session: Session, stage: Stage): Platform | undefined {
  const text = stage.platform ?? session.options.platform;
  return text ? parsePlatform(text) : undefined;
}
