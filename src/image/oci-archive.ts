import { BerthError } from "../spec/errors.ts";
import {
  type Descriptor,
  INDEX_TYPES,
  type Index,
  LAYER_TYPES,
  MANIFEST_TYPES,
  type Manifest,
  MediaType,
  type Platform,
} from "../spec/oci.ts";
import { formatPlatform, hostPlatform, parsePlatform, platformMatches } from "../spec/platform.ts";
import { parseReference, type Reference, withDefaultTag } from "../spec/reference.ts";
import { type ArchiveFiles, notAnImage } from "./archive.ts";
import type { Intake, LayerBlob } from "./intake.ts";
import { parseIndex, parseManifest } from "./manifest.ts";
import type { ImagePlan } from "./plan.ts";

/** The entry point of an OCI layout (OCI image-spec, image-layout.md). */
export const INDEX_JSON = "index.json";

const CONTAINERD_NAME = "io.containerd.image.name";
const REF_NAME = "org.opencontainers.image.ref.name";
const MAX_DEPTH = 8;

interface Source {
  files: ArchiveFiles;
  intake: Intake;
  /** As asked for; undefined: the host's, where there is a choice. */
  platform?: Platform;
}

/**
 * The images of an OCI layout: one for each manifest or index in `index.json`, from an index the one manifest that fits the platform (the host's by default).
 * Throws `invalid-argument` for what is missing or malformed, `not-found` where no manifest fits.
 */
export async function planOciArchive(
  files: ArchiveFiles,
  intake: Intake,
  options: { platform?: string } = {},
): Promise<ImagePlan[]> {
  const source: Source = {
    files,
    intake,
    ...(options.platform ? { platform: parsePlatform(options.platform) } : {}),
  };
  const bytes = await files.read(INDEX_JSON);
  if (!bytes) throw notAnImage(`it has no ${INDEX_JSON}`);
  const plans: ImagePlan[] = [];
  for (const group of byName(parseIndex(bytes, INDEX_JSON))) {
    const descriptor = choose(group, source.platform, INDEX_JSON);
    const plan = await follow(source, descriptor);
    plans.push({ ...plan, names: namesOf(descriptor) });
  }
  return plans;
}

/** For each plan without a manifest, the archive's own one where it has exactly the same config and layers: `docker save` writes both forms. */
export async function adoptManifests(plans: ImagePlan[], files: ArchiveFiles): Promise<ImagePlan[]> {
  const bytes = await files.read(INDEX_JSON);
  if (!bytes) return plans;
  const found: { descriptor: Descriptor; manifest: Manifest }[] = [];
  for (const descriptor of parseIndex(bytes, INDEX_JSON).manifests) {
    const content = MANIFEST_TYPES.includes(descriptor.mediaType) && (await files.read(blobName(descriptor)));
    if (content) found.push({ descriptor, manifest: parseManifest(content, `manifest ${descriptor.digest}`) });
  }
  return Promise.all(
    plans.map(async (plan) => {
      const same = found.find(({ manifest }) => describes(manifest, plan));
      if (!same) return plan;
      return { ...plan, manifest: (await files.digest(same.descriptor.digest, INDEX_JSON)).digest };
    }),
  );
}

function describes(manifest: Manifest, plan: ImagePlan): boolean {
  const theirs = [manifest.config, ...manifest.layers].map((d) => d.digest).join();
  return theirs === [plan.config, ...plan.layers].map((b) => b.digest).join();
}

/** Descriptors that are one image in several platforms: those with a platform and the same name. Attestations and the like are no images. */
function byName({ manifests }: Index): Descriptor[][] {
  const groups = new Map<string, Descriptor[]>();
  for (const [i, d] of manifests.entries()) {
    if (!isImage(d)) continue;
    const name = d.annotations?.[CONTAINERD_NAME] ?? d.annotations?.[REF_NAME] ?? "";
    const key = d.platform ? name : `${name} ${i}`;
    groups.set(key, [...(groups.get(key) ?? []), d]);
  }
  return [...groups.values()];
}

function isImage(d: Descriptor): boolean {
  return [...INDEX_TYPES, ...MANIFEST_TYPES].includes(d.mediaType) && d.platform?.os !== "unknown";
}

/** One of a group: of several the one for the platform, the most exact variant first; a single one only has to fit what was asked for. */
function choose(group: Descriptor[], asked: Platform | undefined, what: string): Descriptor {
  const want = asked ?? hostPlatform();
  const fits = (d: Descriptor): boolean => !d.platform || platformMatches(d.platform, want);
  const fitting = group.filter(fits);
  const exact = fitting.find((d) => d.platform?.variant === want.variant);
  const best = exact ?? fitting[0] ?? (asked === undefined && group.length === 1 ? group[0] : undefined);
  if (best) return best;
  const there = group.flatMap((d) => (d.platform ? [formatPlatform(d.platform)] : [])).join(", ") || "none";
  throw new BerthError("not-found", `${what}: no image for platform ${formatPlatform(want)}`, {
    hint: `choose one that is there with --platform: ${there}`,
  });
}

async function follow(source: Source, top: Descriptor): Promise<ImagePlan> {
  let descriptor = top;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const what = `${INDEX_TYPES.includes(descriptor.mediaType) ? "index" : "manifest"} ${descriptor.digest}`;
    const bytes = await content(source, descriptor, what);
    if (!INDEX_TYPES.includes(descriptor.mediaType))
      return planManifest(source, descriptor, parseManifest(bytes, what));
    descriptor = choose(parseIndex(bytes, what).manifests.filter(isImage), source.platform, what);
  }
  throw new BerthError("invalid-argument", `index ${top.digest}: indexes inside indexes, more than ${MAX_DEPTH} deep`);
}

async function content({ files }: Source, descriptor: Descriptor, what: string): Promise<Buffer> {
  const bytes = await files.read(blobName(descriptor));
  if (!bytes) throw new BerthError("invalid-argument", `${what}: the archive does not have it`);
  if (bytes.length !== descriptor.size) throw wrongSize(descriptor, bytes.length);
  return bytes;
}

async function planManifest(source: Source, descriptor: Descriptor, manifest: Manifest): Promise<ImagePlan> {
  const what = `manifest ${descriptor.digest}`;
  const { mediaType } = manifest.config;
  if (mediaType !== MediaType.config && mediaType !== MediaType.dockerConfig) {
    throw new BerthError("invalid-argument", `${what}: not a container image: its config is ${mediaType}`);
  }
  const part = async (d: Descriptor) => {
    const blob = await source.files.digest(d.digest, what);
    if (blob.size !== d.size) throw wrongSize(d, blob.size);
    return blob;
  };
  const layers: LayerBlob[] = [];
  for (const d of manifest.layers) {
    const layer = await source.intake.layerBlob(await part(d));
    layers.push({ ...layer, mediaType: d.mediaType });
    if (layer.digest !== d.digest || !LAYER_TYPES.includes(d.mediaType)) {
      throw new BerthError("invalid-argument", `${what}: layer ${d.digest} has the unsupported form ${d.mediaType}`);
    }
  }
  const own = await source.files.digest(descriptor.digest, INDEX_JSON);
  return { config: await part(manifest.config), layers, manifest: own.digest, names: [] };
}

/** The name in the annotations: containerd's is whole; the OCI one counts where it is more than a bare tag. */
function namesOf({ annotations = {} }: Descriptor): Reference[] {
  const name = annotations[CONTAINERD_NAME] ?? annotations[REF_NAME];
  if (name === undefined || (annotations[CONTAINERD_NAME] === undefined && !/[:/]/.test(name))) return [];
  const ref = withDefaultTag(parseReference(name));
  return ref.tag ? [ref] : [];
}

function blobName({ digest }: Descriptor): string {
  return `blobs/${digest.replace(":", "/")}`;
}

function wrongSize(d: Descriptor, actual: number): BerthError {
  return new BerthError("invalid-argument", `size mismatch: ${d.digest} should have ${d.size} bytes, has ${actual}`);
}
