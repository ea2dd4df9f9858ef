import { stillNamed, unknownBlob } from "../blobs.ts";
import { contentDigest } from "../names.ts";
import type { ContentDigest } from "../types.ts";
import type { RegistryContext, RepositoryRequest } from "./context.ts";
import { isKnownToClient } from "./etag.ts";
import { rangeOf } from "./range.ts";

/** GET and HEAD of a blob, whole or one range. HEAD answers writers: what GC has condemned is not there for them. */
export async function getBlob(
  ctx: RegistryContext,
  { request, repository, target }: RepositoryRequest,
): Promise<Response> {
  const digest = contentDigest(target);
  const { through } = ctx;
  const fetched = (await through?.covers(repository)) ? await through?.blob(repository, digest, request) : undefined;
  if (fetched) return fetched;
  if (request.method === "HEAD") return headBlob(ctx, repository, digest);
  const found = await ctx.blobs.find(repository, digest);
  if (!found) throw unknownBlob(digest);
  const headers = blobHeaders(digest);
  if (isKnownToClient(request, digest)) return new Response(null, { status: 304, headers });
  const span = rangeOf(ifRange(request, headers.ETag), found.size);
  const { start, end } = span ?? { start: 0, end: found.size };
  const body = end > start ? await ctx.blobs.body(digest, found, { start, end }) : "";
  return new Response(body, {
    status: span ? 206 : 200,
    headers: {
      ...headers,
      "Content-Length": String(end - start),
      ...(span ? { "Content-Range": `bytes ${start}-${end - 1}/${found.size}` } : {}),
    },
  });
}

async function headBlob(ctx: RegistryContext, repository: string, digest: ContentDigest): Promise<Response> {
  const found = await ctx.blobs.reliable(repository, digest);
  if (!found) throw unknownBlob(digest);
  return new Response(null, { headers: { ...blobHeaders(digest), "Content-Length": String(found.size) } });
}

/** DELETE of a blob. What a manifest of the repository names stays. */
export async function deleteBlob(ctx: RegistryContext, { repository, target }: RepositoryRequest): Promise<Response> {
  const digest = contentDigest(target);
  const there = await ctx.blobs.remove(repository, digest, () => refuseNamed(ctx, repository, digest));
  if (!there) throw unknownBlob(digest);
  return new Response(null, { status: 202, headers: { "Docker-Content-Digest": digest } });
}

async function refuseNamed(ctx: RegistryContext, repository: string, digest: ContentDigest): Promise<void> {
  for await (const { digest: manifest, blobs } of ctx.manifests.all(repository)) {
    if (blobs.some((blob) => blob.digest === digest)) throw stillNamed(digest, `manifest ${manifest}`);
  }
}

function blobHeaders(digest: string): Record<string, string> & { ETag: string } {
  return {
    "Content-Type": "application/octet-stream",
    "Docker-Content-Digest": digest,
    "Accept-Ranges": "bytes",
    "Cache-Control": "max-age=31536000",
    // Else the server tells the file's name.
    "Content-Disposition": "attachment",
    ETag: `"${digest}"`,
  };
}

/** The Range header, unless it was meant for other content (RFC 9110, section 13.1.5). */
function ifRange(request: Request, etag: string): string | null {
  const only = request.headers.get("if-range");
  return only === null || only === etag ? request.headers.get("range") : null;
}
