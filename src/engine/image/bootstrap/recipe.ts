import type { ImageRunConfig } from "../../../spec/oci.ts";
import { DEFAULT_PATH } from "../../container/config.ts";

/** A public key as a person gives it: the name of its file (apk finds keys by it) and its bytes. */
export interface KeyFile {
  name: string;
  data: Buffer;
}

/** What a base image shall be. */
export interface RecipeRequest {
  /** The recipe's tag: a suite or a version; undefined where none was named. */
  tag: string | undefined;
  /** http, https or file URL without a slash at its end, in place of the distribution's own. */
  mirror?: string;
  /** Trusted in place of the distribution's own keys, where there are any. */
  keys: KeyFile[];
  /** Further packages. */
  include: string[];
}

/** Where an image is being made. Both its folder and whatever runs in it are gone when the bootstrap ends, however it does. */
export interface Workshop {
  /** An empty folder under the data root, readable for all: apt downloads as a user of its own. */
  dir: string;
  /** One line for whoever waits. */
  say(line: string): void;
  /** Aborted when nobody waits any more. */
  signal: AbortSignal;
  /** Seconds since 1970, cut at the day: no time in the image is later, so that two bootstraps of one day agree. */
  epoch: number;
}

/** Makes the root file system's tar. Throws before its end where that fails: then nothing is left of it. */
export type Make = (shop: Workshop) => AsyncIterable<Uint8Array>;

/** How one kind of base image is made. One file each; `recipes.ts` lists them. */
export interface Recipe {
  /** The image name that asks for it. */
  name: string;
  /** Tags that it knows, for people. */
  tags: string;
  /** What else a request may name; anything more is refused. */
  takes: readonly ("mirror" | "include" | "key")[];
  run: ImageRunConfig;
  /** Throws at once where the request is no good, or a program or a key is missing on this host. */
  prepare(request: RecipeRequest): Make | Promise<Make>;
}

/** The image configuration of a distribution's base: a shell with the usual PATH. */
export function distributionRun(title: string, shell: string): ImageRunConfig {
  return {
    Env: [`PATH=${DEFAULT_PATH}`],
    Cmd: [shell],
    Labels: { "org.opencontainers.image.title": title },
  };
}
