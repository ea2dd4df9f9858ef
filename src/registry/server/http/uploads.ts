import { RegistryError } from "../errors.ts";
import { contentDigest, repositoryName, uploadId } from "../names.ts";
import type { ContentDigest } from "../types.ts";
import { bodyOf } from "./body.ts";
import type { RegistryContext, RepositoryRequest } from "./context.ts";
import { chunkOf } from "./range.ts";

/** POST: a new upload; the whole blob at once with `digest`; or a blob of another repository, with `mount` and `from`. */
export async function beginUpload(ctx: RegistryContext, asked: RepositoryRequest): Promise<Response> {
  const { request, repository, query } = asked;
  const mounted = await mount(ctx, asked);
  if (mounted) return mounted;
  const digest = query.get("digest");
  if (digest === null) {
    const id = await ctx.uploads.begin(repository);
    return accepted(repository, id, 0);
  }
  const wanted = contentDigest(digest);
  const id = await ctx.uploads.begin(repository);
  try {
    await ctx.uploads.commit(repository, id, {
      digest: wanted,
      source: bodyOf(request, ctx.idleMs),
      ...chunkOf(request.headers),
    });
  } catch (error) {
    await ctx.uploads.cancel(repository, id).catch(() => undefined); // The first error is the one to tell.
    throw error;
  }
  return created(repository, wanted);
}

/** PATCH: a chunk with Content-Range, or a stream. */
export async function appendUpload(
  ctx: RegistryContext,
  { request, repository, target }: RepositoryRequest,
): Promise<Response> {
  const id = uploadId(target);
  const size = await ctx.uploads.append(repository, id, {
    source: bodyOf(request, ctx.idleMs),
    ...chunkOf(request.headers),
  });
  return accepted(repository, id, size);
}

/** PUT: the last chunk, which may be empty, and the digest of the whole. */
export async function finishUpload(
  ctx: RegistryContext,
  { request, repository, target, query }: RepositoryRequest,
): Promise<Response> {
  const id = uploadId(target);
  const digest = query.get("digest");
  if (digest === null) throw new RegistryError("DIGEST_INVALID", "the digest of the whole is missing: ?digest=");
  const wanted = contentDigest(digest);
  await ctx.uploads.commit(repository, id, {
    digest: wanted,
    source: bodyOf(request, ctx.idleMs),
    ...chunkOf(request.headers),
  });
  return created(repository, wanted);
}

/** GET: how far it came. */
export async function uploadStatus(ctx: RegistryContext, { repository, target }: RepositoryRequest): Promise<Response> {
  const id = uploadId(target);
  return accepted(repository, id, await ctx.uploads.size(repository, id), 204);
}

/** DELETE: the client wants it no more. */
export async function cancelUpload(ctx: RegistryContext, { repository, target }: RepositoryRequest): Promise<Response> {
  await ctx.uploads.cancel(repository, uploadId(target));
  return new Response(null, { status: 204 });
}

/** Undefined where nothing is to be mounted, or cannot be: the client sends the blob then. */
async function mount(
  ctx: RegistryContext,
  { repository, query, caller }: RepositoryRequest,
): Promise<Response | undefined> {
  const digest = query.get("mount");
  if (digest === null) return undefined;
  const wanted = contentDigest(digest);
  const named = query.get("from");
  const may = (from: string): boolean => caller.may({ repository: from, action: "pull" });
  const from = named === null ? await ctx.blobs.holder(wanted, may) : repositoryName(named);
  if (from === undefined || !may(from)) return undefined;
  await refuseFull(ctx, repository, (await ctx.blobs.find(from, wanted))?.size ?? 0);
  return (await ctx.blobs.mount(repository, wanted, from)) ? created(repository, wanted) : undefined;
}

async function refuseFull(ctx: RegistryContext, repository: string, more: number): Promise<void> {
  const quota = ctx.policy.quota(repository);
  if (quota !== undefined && (await ctx.blobs.usage(repository)) + more > quota)
    throw new RegistryError("DENIED", "the repository's quota is used up");
}

function created(repository: string, digest: ContentDigest): Response {
  const headers = { Location: `/v2/${repository}/blobs/${digest}`, "Docker-Content-Digest": digest };
  return new Response(null, { status: 201, headers });
}

/** `Range` is inclusive, so that an empty upload looks like one of a single byte: as Docker's registry has it. */
function accepted(repository: string, id: string, size: number, status = 202): Response {
  return new Response(null, {
    status,
    headers: {
      Location: `/v2/${repository}/blobs/uploads/${id}`,
      Range: `0-${Math.max(size - 1, 0)}`,
      "Docker-Upload-UUID": id,
    },
  });
}
