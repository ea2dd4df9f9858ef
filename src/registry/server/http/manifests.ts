import { RegistryError } from "../errors.ts";
import { isTag } from "../names.ts";
import { wholeBody } from "./body.ts";
import type { RegistryContext, RepositoryRequest } from "./context.ts";
import { isKnownToClient } from "./etag.ts";

/** OCI distribution-spec, "Pushing Manifests": registries should take 4 MiB. */
const MAX_MANIFEST = 4 * 1024 * 1024;
/** Of one PUT by digest. */
const MOST_TAGS = 100;

/** GET and HEAD by tag or digest. */
export async function getManifest(
  ctx: RegistryContext,
  { request, repository, target }: RepositoryRequest,
): Promise<Response> {
  const { through } = ctx;
  if (await through?.covers(repository)) await through?.manifest(repository, target);
  const { digest, mediaType, bytes } = await ctx.manifests.get(repository, target);
  const headers = {
    "Content-Type": mediaType,
    "Docker-Content-Digest": digest,
    ETag: `"${digest}"`,
    "Content-Length": String(bytes.byteLength),
  };
  if (isKnownToClient(request, digest)) return new Response(null, { status: 304, headers });
  return new Response(request.method === "HEAD" ? null : (bytes as Uint8Array<ArrayBuffer>), { headers });
}

/** PUT by tag, or by digest; the latter may bring tags along in the query. */
export async function putManifest(
  ctx: RegistryContext,
  { request, repository, target, query }: RepositoryRequest,
): Promise<Response> {
  const tags = isTag(target) ? [] : query.getAll("tag");
  if (![target, ...tags].every((name) => isTag(name) || (name === target && name.includes(":"))))
    throw new RegistryError("MANIFEST_INVALID", "invalid tag");
  if (tags.length > MOST_TAGS) throw new RegistryError("MANIFEST_INVALID", `more than ${MOST_TAGS} tags at once`);
  using body = await wholeBody(request, { limit: MAX_MANIFEST, idleMs: ctx.idleMs, rooms: ctx.rooms });
  const contentType = request.headers.get("content-type") ?? undefined;
  const { digest, subject } = await ctx.manifests.put(repository, target, { bytes: body.bytes, contentType, tags });
  return new Response(null, {
    status: 201,
    headers: {
      Location: `/v2/${repository}/manifests/${digest}`,
      "Docker-Content-Digest": digest,
      ...(subject ? { "OCI-Subject": subject } : {}),
      ...(tags.length > 0 ? { "OCI-Tag": tags.join(", ") } : {}),
    },
  });
}

/** DELETE of a tag, or of a manifest with its tags. */
export async function deleteManifest(
  ctx: RegistryContext,
  { repository, target }: RepositoryRequest,
): Promise<Response> {
  await ctx.manifests.remove(repository, target);
  return new Response(null, { status: 202 });
}
