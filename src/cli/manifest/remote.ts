import type { Digest } from "../../spec/digest.ts";
import { isKind } from "../../spec/errors.ts";
import { type Descriptor, type Index, type Manifest, MediaType } from "../../spec/oci.ts";
import type { Reference } from "../../spec/reference.ts";
import type { Context, RemoteRepository } from "../context.ts";
import { credentialsFor } from "../credentials/credentials.ts";
import { ExitError } from "../exit.ts";
import { fullName, type Member, type MemberPlatform } from "./lists.ts";

const MAX_CONFIG = 4 * 1024 * 1024;

/** Opens a repository with the person's credentials. */
export async function openRepository(
  ctx: Context,
  ref: Reference,
  options: { insecure: boolean; push?: boolean; signal?: AbortSignal },
): Promise<RemoteRepository> {
  const known = await credentialsFor(ctx, ref.domain);
  const credentials = {
    ...(known?.username ? { username: known.username } : {}),
    ...(known?.password ? { password: known.password } : {}),
    ...(known?.identitytoken ? { identityToken: known.identitytoken } : {}),
    ...(known?.registrytoken ? { registryToken: known.registrytoken } : {}),
  };
  const { push = false, insecure, signal } = options;
  return (await ctx.registry())(ref, { push, insecure, credentials, ...(signal ? { signal } : {}) });
}

/** An image of a registry, or the images of a list. */
export type Fetched = { image: Member } | { list: Member[] };

/** Fetches by name. Throws in docker's words where there is none. */
export async function fetchManifest(ctx: Context, ref: Reference, options: { insecure: boolean }): Promise<Fetched> {
  const repository = await openRepository(ctx, ref, options);
  const found = await repository.manifest(ref.digest ?? ref.tag ?? "latest").catch((error: unknown) => {
    if (isKind(error, "not-found")) throw new ExitError(1, `no such manifest: ${fullName(ref)}`);
    throw error;
  });
  const content: unknown = JSON.parse(found.bytes.toString());
  if (!isIndex(found.mediaType)) {
    return { image: await memberOf(repository, { ref: fullName(ref), found, content: content as Manifest }) };
  }
  const list: Member[] = [];
  for (const descriptor of (content as Index).manifests) list.push(await listed(repository, ref, descriptor));
  return { list };
}

/** One image, not a list. */
export async function fetchImage(ctx: Context, ref: Reference, options: { insecure: boolean }): Promise<Member> {
  const fetched = await fetchManifest(ctx, ref, options);
  if ("image" in fetched) return fetched.image;
  throw new ExitError(1, `${fullName(ref)} is a manifest list`);
}

function isIndex(mediaType: string): boolean {
  return mediaType === MediaType.index || mediaType === MediaType.dockerIndex;
}

/** An image of a list has the platform that the list gives it. */
async function listed(repository: RemoteRepository, ref: Reference, descriptor: Descriptor): Promise<Member> {
  const found = await repository.manifest(descriptor.digest);
  const content = JSON.parse(found.bytes.toString()) as Manifest;
  const name = fullName({ ...ref, digest: descriptor.digest });
  const platform = descriptor.platform && platformOf({ ...descriptor.platform });
  return memberOf(repository, { ref: name, found, content, ...(platform ? { platform } : {}) });
}

async function memberOf(
  repository: RemoteRepository,
  of: {
    ref: string;
    found: { digest: Digest; mediaType: string; bytes: Buffer };
    content: Manifest;
    platform?: MemberPlatform;
  },
): Promise<Member> {
  const { digest, mediaType, bytes } = of.found;
  const platform = of.platform ?? platformOf(await readConfig(repository, of.content.config));
  return {
    Ref: of.ref,
    Descriptor: { mediaType, digest, size: bytes.length, platform },
    Raw: bytes.toString("base64"),
    ...(mediaType === MediaType.manifest ? { OCIManifest: of.content } : { SchemaV2Manifest: of.content }),
  };
}

/** What an image's configuration says of its platform, bounded. */
async function readConfig(repository: RemoteRepository, { digest }: Descriptor): Promise<Partial<MemberPlatform>> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of await repository.blob(digest)) {
    size += part.length;
    if (size > MAX_CONFIG) throw new ExitError(1, `config ${digest} is larger than ${MAX_CONFIG} bytes`);
    parts.push(part);
  }
  return JSON.parse(Buffer.concat(parts).toString()) as Partial<MemberPlatform>;
}

function platformOf(from: Partial<MemberPlatform>): MemberPlatform {
  return {
    architecture: from.architecture ?? "",
    os: from.os ?? "",
    ...(from["os.version"] ? { "os.version": from["os.version"] } : {}),
    ...(from["os.features"]?.length ? { "os.features": from["os.features"] } : {}),
    ...(from.variant ? { variant: from.variant } : {}),
  };
}
