import type { FetchedManifest } from "../../registry/types.ts";
import { type Digest, digestOf } from "../../spec/digest.ts";
import { BerthError } from "../../spec/errors.ts";
import type { Platform } from "../../spec/oci.ts";
import { formatPlatform, hostPlatform, parsePlatform, platformMatches } from "../../spec/platform.ts";
import { chooseMember, platformList } from "../choose.ts";
import { MAX_JSON, parseConfig, type StoredConfig } from "../config.ts";
import { type Content, type ContentDescriptor, isContainerImage, parseContent } from "../content.ts";

const MAX_DEPTH = 8;

/** Where manifests and blobs come from: a repository, or an archive. Blobs are unverified. */
export interface ContentReader {
  manifest(target: string): Promise<FetchedManifest>;
  blob(digest: Digest): Promise<AsyncIterable<Uint8Array>>;
}

/** A manifest with what it names. */
export interface ParsedManifest {
  manifest: FetchedManifest;
  content: Content;
}

/** One container image of one platform. */
export interface ResolvedImage extends ParsedManifest {
  config: StoredConfig;
  /** The config's bytes. */
  configBytes: Buffer;
  configDigest: Digest;
}

/** Reads and parses one manifest. */
export async function readManifest(reader: ContentReader, target: string, what: string): Promise<ParsedManifest> {
  const manifest = await reader.manifest(target);
  return { manifest, content: parseContent(manifest.bytes, manifest.mediaType, what) };
}

/**
 * The one manifest that a name stands for on a platform: itself, or the member of an index (`platform` undefined: the host's). Throws `not-found` that lists the platforms where there is
 * none. A manifest that stands alone is what it is: its config tells its platform.
 */
export async function followPlatform(
  reader: ContentReader,
  top: ParsedManifest,
  { platform, name }: { platform?: string | undefined; name: string },
): Promise<ParsedManifest> {
  const want = platform ? parsePlatform(platform) : hostPlatform();
  let at = top;
  for (let depth = 0; at.content.kind === "index"; depth++) {
    if (depth >= MAX_DEPTH)
      throw new BerthError("invalid-argument", `${name}: indexes inside indexes, more than ${MAX_DEPTH} deep`);
    const { members } = at.content;
    const chosen = chooseMember(members, want);
    if (!chosen) throw noImage(name, want, members);
    at = await readManifest(reader, chosen.digest, `manifest ${chosen.digest}`);
  }
  return at;
}

/**
 * The container image of a platform with its config (verified). Throws `invalid-argument` for artifacts, `not-found` where it is none of the platform that was asked for.
 */
export async function resolveContainer(
  reader: ContentReader,
  top: ParsedManifest,
  options: { platform?: string | undefined; name: string },
): Promise<ResolvedImage> {
  const { platform, name } = options;
  const found = await followPlatform(reader, top, options);
  const { config: descriptor } = found.content;
  if (!descriptor || !isContainerImage(found.content)) {
    const type = found.content.artifactType ?? descriptor?.mediaType ?? found.content.mediaType;
    throw new BerthError("invalid-argument", `${name} is no container image: it is ${JSON.stringify(type)}`, {
      hint: `'berth manifest inspect' shows what it is`,
    });
  }
  const configBytes = await readSmall(reader, descriptor, name);
  const config = parseConfig(configBytes, `config ${descriptor.digest}`);
  if (platform && !platformMatches(config, parsePlatform(platform))) {
    throw new BerthError(
      "not-found",
      `${name} is of platform ${formatPlatform(config)}, not ${formatPlatform(parsePlatform(platform))}`,
    );
  }
  return { ...found, config, configBytes, configDigest: descriptor.digest };
}

/** A blob as a whole, at most MAX_JSON bytes, verified. */
export async function readSmall(
  reader: ContentReader,
  { digest, size }: ContentDescriptor,
  name: string,
): Promise<Buffer> {
  if (size > MAX_JSON) throw new BerthError("invalid-argument", `${name}: ${digest} has more than ${MAX_JSON} bytes`);
  const parts: Uint8Array[] = [];
  let have = 0;
  for await (const part of await reader.blob(digest)) {
    have += part.byteLength;
    if (have > size) break;
    parts.push(Buffer.from(part));
  }
  const bytes = Buffer.concat(parts);
  if (have !== size)
    throw new BerthError("invalid-argument", `${name}: ${digest} should have ${size} bytes, but has others`);
  if (digestOf(bytes) !== digest) {
    throw new BerthError("invalid-argument", `digest mismatch: want ${digest}, content has ${digestOf(bytes)}`);
  }
  return bytes;
}

function noImage(name: string, want: Platform, members: readonly ContentDescriptor[]): BerthError {
  return new BerthError("not-found", `${name} has no image for platform ${formatPlatform(want)}`, {
    hint: `choose one that is there with --platform: ${platformList(members)}`,
  });
}
