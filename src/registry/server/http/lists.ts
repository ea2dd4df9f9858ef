import { MediaType } from "../../../spec/oci.ts";
import { RegistryError } from "../errors.ts";
import { allEntries } from "../generations.ts";
import { decoded, encoded, KEYS, partsOf } from "../keys.ts";
import { contentDigest, isContentDigest, quoted } from "../names.ts";
import type { Caller, Metadata } from "../types.ts";
import type { RegistryContext, RepositoryRequest } from "./context.ts";

const MOST = 1000;
const MOST_TAGS = 10_000;
const CATALOG_PAGE = 100;
/** Bytes of manifests' descriptions in one answer, after which the next page begins. */
const REFERRERS_PAGE = 2 * 1024 * 1024;

/** `tags/list`: in the order of their bytes, by pages where `n` asks for them (OCI distribution-spec, "Listing Tags"). */
export async function listTags(ctx: RegistryContext, { repository, query }: RepositoryRequest): Promise<Response> {
  const { metadata } = ctx.storage;
  const n = count(query, MOST_TAGS);
  const tags = await page(metadata, KEYS.tags(repository), { n, last: query.get("last") ?? "" });
  if (tags.length === 0 && !(await hasRepository(metadata, repository))) {
    throw new RegistryError("NAME_UNKNOWN", `no repository ${quoted(repository)}`, { detail: { name: repository } });
  }
  const last = tags.length > n ? tags[n - 1] : undefined;
  const headers = next(`/v2/${repository}/tags/list`, { n, last });
  return Response.json({ name: repository, tags: tags.slice(0, n) }, { headers });
}

/** `_catalog`: the repositories that the caller may pull. */
export async function listRepositories(
  ctx: RegistryContext,
  { query, caller }: { query: URLSearchParams; caller: Caller },
): Promise<Response> {
  const { metadata } = ctx.storage;
  const n = Math.min(count(query, CATALOG_PAGE), MOST);
  const names: string[] = [];
  let last = encoded(query.get("last") ?? "");
  while (names.length <= n) {
    const found = await page(metadata, KEYS.catalog(), { n: MOST, last });
    names.push(...found.map(decoded).filter((name) => caller.may({ repository: name, action: "pull" })));
    if (found.length <= MOST) break;
    last = found.at(-1) ?? "";
  }
  const headers = next("/v2/_catalog", { n, last: names.length > n ? names[n - 1] : undefined });
  return Response.json({ repositories: names.slice(0, n) }, { headers });
}

/** `referrers/DIGEST` (OCI distribution-spec, "Listing Referrers"): an index, empty where nothing refers to it. What is much comes by pages. */
export async function listReferrers(
  ctx: RegistryContext,
  { repository, target, query }: RepositoryRequest,
): Promise<Response> {
  const subject = contentDigest(target);
  const type = query.get("artifactType");
  const prefix = KEYS.referrers(repository, subject);
  const entries: string[] = [];
  let size = 0;
  let last = query.get("last") ?? "";
  let more = false;
  for await (const { key } of allEntries(ctx.storage.metadata, prefix, `${prefix}${last}`)) {
    more = size > REFERRERS_PAGE;
    if (more) break;
    last = partsOf(key)[2] ?? "";
    const found = isContentDigest(last) ? await ctx.manifests.byDigest(repository, last) : undefined;
    if (!found || (type !== null && found.artifactType !== type)) continue;
    const { mediaType, digest, bytes, artifactType, annotations } = found;
    const entry = JSON.stringify({ mediaType, digest, size: bytes.byteLength, artifactType, annotations });
    entries.push(entry);
    size += entry.length;
  }
  const rest = new URLSearchParams({ ...(type === null ? {} : { artifactType: type }), last });
  const headers = {
    "Content-Type": MediaType.index,
    ...(type === null ? {} : { "OCI-Filters-Applied": "artifactType" }),
    ...(more ? { Link: `</v2/${repository}/referrers/${subject}?${rest}>; rel="next"` } : {}),
  };
  const body = `{"schemaVersion":2,"mediaType":"${MediaType.index}","manifests":[${entries.join(",")}]}`;
  return new Response(body, { headers });
}

/** At most `n` + 1 names below a prefix, greater than `last`. */
async function page(metadata: Metadata, prefix: string, { n, last }: { n: number; last: string }): Promise<string[]> {
  const names: string[] = [];
  let after = `${prefix}${last}`;
  while (names.length <= n) {
    const limit = Math.min(n + 1 - names.length, MOST);
    const found = await metadata.list(prefix, { after, limit });
    names.push(...found.map(({ key }) => key.slice(prefix.length)));
    if (found.length < limit) break;
    after = found.at(-1)?.key ?? after;
  }
  return names;
}

async function hasRepository(metadata: Metadata, repository: string): Promise<boolean> {
  return (await metadata.get(KEYS.catalog(repository))) !== undefined;
}

function count(query: URLSearchParams, otherwise: number): number {
  const text = query.get("n");
  if (text === null) return otherwise;
  if (!/^\d+$/.test(text)) throw new RegistryError("UNSUPPORTED", `n=${quoted(text)} is no number`, { status: 400 });
  return Math.min(Number(text), MOST_TAGS);
}

function next(path: string, { n, last }: { n: number; last: string | undefined }): Record<string, string> {
  if (last === undefined) return {};
  return { Link: `<${path}?${new URLSearchParams({ n: String(n), last })}>; rel="next"` };
}
