import { allEntries } from "../generations.ts";
import { decoded, KEYS, partsOf } from "../keys.ts";
import type { Caller } from "../types.ts";
import type { RegistryContext } from "./context.ts";

const MOST = 100;
const DEFAULT = 25;
const DESCRIPTION = "org.opencontainers.image.description";

/**
 * What remains of version 1 of the protocol, which was switched off upstream in 2017: `/v1/_ping`, and `/v1/search`, which `docker search HOST/WORD` asks. All else says so
 * in one line.
 */
export async function answerV1(
  ctx: RegistryContext,
  { path, query, caller }: { path: string; query: URLSearchParams; caller: Caller },
): Promise<Response> {
  if (path === "/v1/_ping") return new Response("true", { headers: { "X-Docker-Registry-Standalone": "true" } });
  if (path === "/v1/search") return search(ctx, query, caller);
  return new Response("version 1 of the registry protocol is not served; use version 2 (/v2/)\n", { status: 410 });
}

async function search(ctx: RegistryContext, query: URLSearchParams, caller: Caller): Promise<Response> {
  const words = (query.get("q") ?? "")
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  const size = Math.min(whole(query.get("n"), DEFAULT), MOST);
  const number = whole(query.get("page"), 1);
  const names: string[] = [];
  for await (const { key } of allEntries(ctx.storage.metadata, KEYS.catalog())) {
    const name = decoded(partsOf(key)[0] ?? "");
    if (words.every((word) => name.includes(word)) && caller.may({ repository: name, action: "pull" }))
      names.push(name);
  }
  const shown = names.slice((number - 1) * size, number * size);
  const results = await Promise.all(shown.map(async (name) => ({ name, description: await description(ctx, name) })));
  return Response.json({
    query: query.get("q") ?? "",
    num_results: names.length,
    num_pages: Math.ceil(names.length / size),
    page: number,
    page_size: size,
    results: results.map((r) => ({ ...r, is_official: false, is_automated: false, is_trusted: false, star_count: 0 })),
  });
}

/** A number from 1 on; `otherwise` for what is none. */
function whole(text: string | null, otherwise: number): number {
  return /^[1-9]\d{0,8}$/.test(text ?? "") ? Number(text) : otherwise;
}

/** What `latest` says of itself in its annotations. */
async function description(ctx: RegistryContext, repository: string): Promise<string> {
  const digest = await ctx.manifests.tag(repository, "latest");
  const manifest = digest && (await ctx.manifests.byDigest(repository, digest));
  return manifest?.annotations?.[DESCRIPTION] ?? "";
}
