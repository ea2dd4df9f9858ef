import { BerthError } from "../spec/errors.ts";
import { formatPlatform, parsePlatform, platformMatches } from "../spec/platform.ts";
import type { StoredImage } from "./catalog.ts";

/** Refuses an image of another platform than the wanted one (`os/arch[/variant]`), in Docker's words; undefined: any will do. An image has one platform. */
export function refusePlatform(image: StoredImage, name: string, wanted: string | undefined): void {
  if (wanted === undefined) return;
  const platform = parsePlatform(wanted);
  const { os, architecture, variant } = image.config;
  const own = { os, architecture, ...(variant ? { variant } : {}) };
  if (platformMatches(own, platform)) return;
  throw new BerthError(
    "not-found",
    `image with reference ${name} was found but its platform (${formatPlatform(own)}) does not match the specified platform (${formatPlatform(platform)})`,
  );
}
