import type { Platform } from "../../spec/oci.ts";
import { formatPlatform } from "../../spec/platform.ts";
import { invalid } from "../errors.ts";
import type { Context } from "../types.ts";

/** How a platform parameter is called, and the minor version of the API that it came with; older requests are answered as if it were not there. */
export interface PlatformParameter {
  name: "platform" | "platforms";
  since: number;
  /** What is said to several of them; undefined: the first counts. */
  several?: string;
}

/** The one platform that a request asks for by a JSON object, as `{platform: "os/arch[/variant]"}`; {} where it asks for none. Refuses the rest in Docker's words. */
export function platformIn({ query, version }: Context, parameter: PlatformParameter): { platform?: string } {
  if (version < parameter.since) return {};
  const values = query.getAll(parameter.name);
  const platforms = values.filter((value) => value !== "").map(parsePlatformJson);
  if (platforms.length > 1 && parameter.several) throw invalid(parameter.several);
  const [platform] = platforms;
  return platform ? { platform: formatPlatform(platform) } : {};
}

function parsePlatformJson(text: string): Platform {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw invalid(`failed to parse platform: invalid character '${text[0]}' looking for beginning of value`);
  }
  const kind = Array.isArray(parsed) ? "array" : typeof parsed;
  if (kind !== "object")
    throw invalid(`failed to parse platform: json: cannot unmarshal ${kind} into Go value of type v1.Platform`);
  const { os, architecture, variant } = (parsed ?? {}) as Record<string, unknown>;
  if (typeof os !== "string" || typeof architecture !== "string" || os === "" || architecture === "")
    throw invalid("both OS and Architecture must be provided");
  return { os, architecture, ...(typeof variant === "string" && variant !== "" ? { variant } : {}) };
}
