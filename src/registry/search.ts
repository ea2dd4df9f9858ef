import { BerthError } from "../spec/errors.ts";
import { Connection } from "./connection.ts";
import { endpointsOf } from "./endpoints.ts";
import type { Credentials, RegistryOptions, SearchResult } from "./types.ts";

const MAX_ANSWER = 4 * 1024 * 1024;
const HUB_INDEX = "index.docker.io";

/** Asks an index by version 1 of its protocol (`/v1/search`). `term` may begin with the index's host. Throws `internal` where it cannot be asked. */
export async function searchIndex(
  term: string,
  { limit, credentials = {}, options }: { limit: number; credentials?: Credentials; options: RegistryOptions },
): Promise<SearchResult[]> {
  const slash = term.indexOf("/");
  const head = term.slice(0, slash);
  const own = slash > 0 && (/[.:]/.test(head) || head === "localhost");
  const [standard] = options.defaultRegistry?.split("/") ?? [];
  const host = own ? head : (standard ?? HUB_INDEX);
  const known = own || host === HUB_INDEX || credentials.server === host ? credentials : {};
  const query = new URLSearchParams({
    q: own ? term.slice(slash + 1) : term.replace(/^library\//, ""),
    n: String(limit),
  });
  const connection = new Connection(endpointsOf(host, options), known, options);
  const answer = await connection.send({ method: "GET", path: `/v1/search?${query}` }, "");
  if (answer.status !== 200) {
    throw new BerthError("internal", `index ${host} answered ${answer.status} to a search`, {
      hint: "not every registry can be searched",
    });
  }
  return resultsOf((await answer.bytes(MAX_ANSWER)).toString(), host).slice(0, limit);
}

function resultsOf(text: string, host: string): SearchResult[] {
  try {
    const { results = [] } = JSON.parse(text) as { results?: Partial<SearchResult>[] };
    return results.map((r) => ({
      star_count: Number(r.star_count ?? 0),
      is_official: r.is_official === true,
      name: String(r.name ?? ""),
      is_automated: r.is_automated === true,
      description: String(r.description ?? ""),
    }));
  } catch {
    throw new BerthError("internal", `index ${host}: its answer is no list of results`);
  }
}
