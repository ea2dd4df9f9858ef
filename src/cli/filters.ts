import type { Filters } from "../client/containers.ts";
import { BerthError } from "../spec/errors.ts";

/** `-f key=value` uses as the API's filters. Throws `invalid-argument` in Docker's words for one without `=`. */
export function parseFilters(texts: readonly string[]): Filters {
  const filters: Filters = {};
  for (const text of texts) {
    if (text === "") continue;
    const equals = text.indexOf("=");
    if (equals < 0) {
      throw new BerthError("invalid-argument", `invalid filter '${text}'`, { hint: "filters are KEY=VALUE" });
    }
    const key = text.slice(0, equals).trim().toLowerCase();
    (filters[key] ??= []).push(text.slice(equals + 1).trim());
  }
  return filters;
}
