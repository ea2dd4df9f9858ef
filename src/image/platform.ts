import { BerthError } from "../spec/errors.ts";
import type { Platform } from "../spec/oci.ts";
import { formatPlatform, parsePlatform, platformMatches } from "../spec/platform.ts";
import type { StoredImage } from "./catalog.ts";

/** Refuses an image of another platform than the wanted one (`os/arch[/variant]`), in Docker's words; undefined: any will do. An image has one platform. */
export function refusePlatform(image: StoredImage, name: string, wanted: string | undefined): void {
  const refusal = wanted === undefined ? undefined : otherPlatform(image.config, name, wanted);
  if (refusal) throw refusal;
}

/** What is said of an image whose config is for another platform than the wanted one. */
export function otherPlatform(config: Platform, name: string, wanted: string | undefined): BerthError | undefined {
  if (wanted === undefined) return undefined;
  const platform = parsePlatform(wanted);
  const { os, architecture, variant } = config;
  const own = { os, architecture, ...(variant ? { variant } : {}) };
  if (platformMatches(own, platform)) return undefined;
  return new BerthError(
    "not-found",
    `image with reference ${name} was found but its platform (${formatPlatform(own)}) does not match the specified platform (${formatPlatform(platform)})`,
  );
}
