import type { ImageInspect } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import type { Platform } from "../../spec/oci.ts";
import { formatPlatform, platformMatches } from "../../spec/platform.ts";
import { invalid } from "../errors.ts";

/** Refuses an image of another platform than the JSON object `wanted` names, in Docker's words; undefined: any will do. */
export function checkPlatform(image: ImageInspect, name: string, wanted: string | undefined): void {
  if (wanted === undefined) return;
  const platform = parsePlatformJson(wanted);
  const variant = image.Variant ? { variant: image.Variant } : {};
  const actual: Platform = { os: image.Os ?? "", architecture: image.Architecture ?? "", ...variant };
  if (platformMatches(actual, platform)) return;
  throw new BerthError(
    "not-found",
    `image with reference ${name} was found but its platform (${formatPlatform(actual)}) does not match the specified platform (${formatPlatform(platform)})`,
  );
}

function parsePlatformJson(text: string): Platform {
  let parsed: Partial<Platform> | null;
  try {
    parsed = JSON.parse(text) as Partial<Platform> | null;
  } catch {
    throw invalid(`failed to parse platform: invalid character '${text[0]}' looking for beginning of value`);
  }
  const { os, architecture, variant } = parsed ?? {};
  if (typeof os !== "string" || typeof architecture !== "string" || os === "" || architecture === "")
    throw invalid("both OS and Architecture must be provided");
  return { os, architecture, ...(typeof variant === "string" && variant !== "" ? { variant } : {}) };
}
