import type { FetchedManifest, Repository } from "../registry/types.ts";
import { type Digest, shortId } from "../spec/digest.ts";
import { BerthError, isKind } from "../spec/errors.ts";
import {
  CONFIG_TYPES,
  type Descriptor,
  FOREIGN_LAYERS,
  INDEX_TYPES,
  LAYER_TYPES,
  MANIFEST_TYPES,
  type Manifest,
} from "../spec/oci.ts";
import { formatPlatform, hostPlatform, parsePlatform, platformMatches } from "../spec/platform.ts";
import { MAX_JSON, parseConfig, parseJson, type StoredConfig } from "./config.ts";
import type { Intake } from "./intake.ts";
import { parseIndex, parseManifest } from "./manifest.ts";

const LAYERS: readonly string[] = [...LAYER_TYPES, ...FOREIGN_LAYERS];
/** Indexes in one another. */
const MAX_DEPTH = 4;

/** One image of the registry, all of it known but the layers' bytes. */
export interface Remote {
  /** What the name stood for: the index's digest, where there is one. */
  digest: Digest;
  manifest: FetchedManifest & { parsed: Manifest };
  config: StoredConfig;
}

/** Follows an index to the one manifest for the platform, and takes in manifest and config. A manifest that stands alone is taken whatever its platform, as Docker does. */
export async function resolveManifest(
  repository: Repository,
  intake: Intake,
  top: FetchedManifest,
  { platform }: { platform?: string },
): Promise<Remote> {
  let chosen = top;
  for (let depth = 0; INDEX_TYPES.includes(chosen.mediaType); depth++) {
    const what = `index ${chosen.digest}`;
    if (depth === MAX_DEPTH) throw new BerthError("invalid-argument", `${what}: too many indexes in one another`);
    refuseAmbiguous(chosen.bytes, what);
    const { manifests } = parseIndex(chosen.bytes, what);
    chosen = await repository.manifest(choose(manifests, platform).digest);
  }
  const parsed = checked(chosen);
  await intake.bytes(chosen.bytes);
  const config = await fetchConfig(repository, intake, parsed, `manifest ${chosen.digest}`);
  return { digest: top.digest, manifest: { ...chosen, parsed }, config };
}

/** The manifest of an image that can be unpacked here; throws `invalid-argument` for all else. */
function checked(chosen: FetchedManifest): Manifest {
  const what = `manifest ${chosen.digest}`;
  if (!MANIFEST_TYPES.includes(chosen.mediaType)) {
    throw new BerthError(
      "invalid-argument",
      `${what}: unsupported media type ${JSON.stringify(chosen.mediaType.slice(0, 100))}`,
    );
  }
  refuseAmbiguous(chosen.bytes, what);
  const parsed = parseManifest(chosen.bytes, what);
  if (!CONFIG_TYPES.includes(parsed.config.mediaType)) {
    const kind = artifactType(chosen.bytes) ?? parsed.config.mediaType;
    throw new BerthError(
      "invalid-argument",
      `${what} is no container image: its config is ${parsed.config.mediaType}`,
      {
        hint: `it is an artifact of the type ${kind.slice(0, 100)}, which is not for running`,
      },
    );
  }
  for (const layer of parsed.layers) {
    if (!LAYERS.includes(layer.mediaType))
      throw new BerthError(
        "invalid-argument",
        `${what}: layer ${layer.digest} has the unsupported media type ${layer.mediaType}`,
      );
  }
  return parsed;
}

async function fetchConfig(
  repository: Repository,
  intake: Intake,
  parsed: Manifest,
  what: string,
): Promise<StoredConfig> {
  if (parsed.config.size > MAX_JSON)
    throw new BerthError("invalid-argument", `${what}: its config is larger than ${MAX_JSON} bytes`);
  const { digest, size } = parsed.config;
  const take = async () => intake.stream(await repository.blob(digest, { size }), { digest, size });
  await rightBlob(repository, digest, take);
  const config = parseConfig(
    await intake.blobs.read(parsed.config.digest, MAX_JSON),
    `config ${shortId(parsed.config.digest)}`,
  );
  if (config.os !== "linux")
    throw new BerthError("invalid-argument", `${what}: cannot run ${config.os} image on linux`);
  if (config.rootfs.diff_ids.length !== parsed.layers.length) {
    throw new BerthError(
      "invalid-argument",
      `${what}: ${parsed.layers.length} layers, but the config names ${config.rootfs.diff_ids.length}`,
    );
  }
  return config;
}

/** Takes a blob in; where a mirror gave wrong bytes, once more from another place. What the registry itself gives is right or an error. */
export async function rightBlob<T>(repository: Repository, digest: Digest, take: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await take();
    } catch (error) {
      if (!isKind(error, "invalid-argument") || !repository.wrongBlob(digest, error)) throw error;
    }
  }
}

/** The first that fits whole, else the first that fits without regard to a variant that we did not ask for. */
function choose(manifests: Descriptor[], platform: string | undefined): Descriptor {
  const wanted = platform ? parsePlatform(platform) : hostPlatform();
  const images = manifests.filter((m) => m.platform?.os !== "unknown");
  const fits = images.filter((m) => m.platform && platformMatches(m.platform, wanted));
  const found = fits.find((m) => m.platform?.variant === wanted.variant) ?? fits[0] ?? images.find((m) => !m.platform);
  if (!found) throw noMatch(formatPlatform(wanted));
  return found;
}

function noMatch(platform: string): BerthError {
  return new BerthError("not-found", `no matching manifest for ${platform} in the manifest list entries`);
}

/**
 * What could be read as a manifest and as an index too means different images to different readers (OCI image-spec, "manifest confusion").
 */
function refuseAmbiguous(bytes: Buffer, what: string): void {
  const value = parseJson(bytes, what);
  const has = (name: string): boolean => typeof value === "object" && value !== null && name in value;
  if (has("manifests") && (has("layers") || has("config")))
    throw new BerthError("invalid-argument", `${what} is ambiguous: it has both layers and manifests`);
}

/** OCI image-spec 1.1, manifest.md, "artifactType". */
function artifactType(bytes: Buffer): string | undefined {
  const { artifactType: type } = JSON.parse(bytes.toString()) as { artifactType?: unknown };
  return typeof type === "string" && type !== "" ? type : undefined;
}
