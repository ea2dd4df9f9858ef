import type { FetchAnswer } from "../host/fetch.ts";
import { type Digest, isDigest } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import { type Descriptor, MediaType } from "../spec/oci.ts";
import type { RegistryRequest } from "./connection.ts";
import type { FetchedManifest, Referrer } from "./types.ts";

const MAX_LIST = 4 * 1024 * 1024;
const MAX_REFERRERS = 1000;

/** What a repository's referrers are read and written with. */
export interface ReferrerAccess {
  /** `/v2/<name>`. */
  root: string;
  send(request: RegistryRequest): Promise<FetchAnswer>;
  /** Undefined where there is none. */
  manifest(target: string): Promise<FetchedManifest | undefined>;
  put(target: string, manifest: { mediaType: string; bytes: Uint8Array }): Promise<unknown>;
}

/** The tag under which registries without the API keep the list of a manifest's referrers (OCI distribution-spec, "Referrers Tag Schema"). */
export function referrersTag(digest: Digest): string {
  return digest.replace(":", "-");
}

/** What refers to the manifest, by the API where the registry has it, else by the tag. Throws `invalid-argument` for a list that is none. */
export async function listReferrers(access: ReferrerAccess, digest: Digest): Promise<Referrer[]> {
  const path = `${access.root}/referrers/${digest}`;
  const answer = await access.send({ method: "GET", path, headers: { Accept: MediaType.index } });
  if (answer.status === 200 && isList(answer.header("content-type"))) {
    return parseReferrers(await answer.bytes(MAX_LIST).catch(tooLarge), `referrers of ${digest}`);
  }
  await answer.bytes(MAX_LIST).catch(() => undefined);
  const list = await access.manifest(referrersTag(digest));
  return list ? parseReferrers(list.bytes, `referrers of ${digest}`) : [];
}

/**
 * Adds a manifest to the list under its subject's tag, for registries that do not do it themselves. Two writers at once may lose one of the two, as the specification
 * allows; repeating it is harmless.
 */
export async function addReferrer(access: ReferrerAccess, subject: Digest, referrer: Referrer): Promise<void> {
  const tag = referrersTag(subject);
  const list = await access.manifest(tag);
  const known = list ? parseReferrers(list.bytes, `referrers of ${subject}`) : [];
  if (known.some((one) => one.digest === referrer.digest)) return;
  const index = { schemaVersion: 2, mediaType: MediaType.index, manifests: [...known, referrer] };
  await access.put(tag, { mediaType: MediaType.index, bytes: Buffer.from(JSON.stringify(index)) });
}

/** What a manifest's bytes say of themselves as a referrer; undefined where they have no subject. */
export function referrerOf(manifest: { mediaType: string; bytes: Uint8Array }, digest: Digest) {
  const value = parsed(manifest.bytes);
  const subject = (value["subject"] as { digest?: unknown } | null | undefined)?.digest;
  if (typeof subject !== "string" || !isDigest(subject)) return undefined;
  const config = value["config"] as { mediaType?: unknown } | null | undefined;
  const type = value["artifactType"] || config?.mediaType;
  const notes = value["annotations"];
  const referrer: Referrer = {
    mediaType: manifest.mediaType,
    digest,
    size: manifest.bytes.byteLength,
    ...(typeof type === "string" && type !== "" ? { artifactType: type } : {}),
    ...(typeof notes === "object" && notes !== null ? { annotations: notes as Record<string, string> } : {}),
  };
  return { subject, referrer };
}

/** Servers that know no such path may answer with a page for people. */
function isList(contentType: string | undefined): boolean {
  return (contentType ?? "").split(";")[0]?.trim() === MediaType.index;
}

function parseReferrers(bytes: Buffer, what: string): Referrer[] {
  const { manifests } = parsed(bytes);
  if (!Array.isArray(manifests) || manifests.length > MAX_REFERRERS) {
    throw new BerthError("invalid-argument", `${what}: the registry's list is none, or has more than ${MAX_REFERRERS}`);
  }
  return manifests.filter(isDescriptor);
}

function isDescriptor(value: unknown): value is Referrer {
  const { mediaType, digest, size } = (value ?? {}) as Partial<Record<keyof Descriptor, unknown>>;
  return typeof mediaType === "string" && typeof digest === "string" && isDigest(digest) && Number.isSafeInteger(size);
}

function parsed(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString());
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function tooLarge(error: unknown): never {
  if (!(error instanceof RangeError)) throw error;
  throw new BerthError("invalid-argument", `the registry's list of referrers has more than ${MAX_LIST} bytes`);
}
