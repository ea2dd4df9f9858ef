import { encodeHeader, paddingOf, TAR_END, tarHeader } from "../../layer/tar/writer.ts";
import type { Digest } from "../../spec/digest.ts";
import { BerthError } from "../../spec/errors.ts";
import type { ArchivePlace } from "../../spec/image-place.ts";
import type { Reference } from "../../spec/reference.ts";
import {
  type ArchivedImage,
  blobFolders,
  blobName,
  dockerManifestFile,
  indexFile,
  layoutFile,
  repositoriesFile,
} from "../archive-entries.ts";
import { platformList } from "../choose.ts";
import { parseConfig } from "../config.ts";
import { type ContentDescriptor, isContainerImage } from "../content.ts";
import { readSmall } from "../remote/resolve.ts";
import { entriesOf } from "./layout-sink.ts";
import { referenceOf } from "./names.ts";
import type { PlannedImage } from "./types.ts";

/** A piece of a tar, in its order: bytes, or a blob that comes later, with its padding. */
export type ArchivePart = { bytes: Buffer } | { blob: ContentDescriptor; padding: number };

/**
 * The whole tar before any blob has come: all sizes are known, so each blob has its place. The same images give the same bytes. Throws `invalid-argument` for what such an archive cannot hold.
 */
export async function planArchive(
  place: ArchivePlace,
  images: readonly PlannedImage[],
  blobs: readonly ContentDescriptor[],
): Promise<ArchivePart[]> {
  if (place.name !== undefined && images.length > 1)
    throw new BerthError("invalid-argument", `${place.kind}:${place.path}: several images cannot have one name`);
  const docker = place.kind === "docker-archive";
  const archived = docker ? await Promise.all(images.map((image) => archivedImage(image, place.name))) : [];
  const tail = [
    indexFile(uniqueEntries(images, place)),
    ...(docker ? [dockerManifestFile(archived)] : []),
    layoutFile(),
    ...(docker ? repositoriesFile(archived) : []),
  ];
  const parts: ArchivePart[] = blobFolders().map(({ header }) => ({ bytes: encodeHeader(header) }));
  for (const [digest, content] of contents(images, blobs)) {
    const size = content instanceof Uint8Array ? content.byteLength : content.size;
    parts.push({ bytes: encodeHeader(tarHeader({ path: blobName(digest), size })) });
    if (content instanceof Uint8Array) parts.push({ bytes: padded(content) });
    else parts.push({ blob: content, padding: paddingOf(size) });
  }
  for (const { header, body } of tail) parts.push({ bytes: Buffer.concat([encodeHeader(header), padded(body)]) });
  parts.push({ bytes: TAR_END });
  return parts;
}

/** Blobs and manifests in the order of their digests. */
function contents(
  images: readonly PlannedImage[],
  blobs: readonly ContentDescriptor[],
): [Digest, Buffer | ContentDescriptor][] {
  const all = new Map<Digest, Buffer | ContentDescriptor>(blobs.map((blob) => [blob.digest, blob]));
  for (const { manifests, referrers } of images) {
    for (const { manifest } of [...manifests, ...referrers]) all.set(manifest.digest, manifest.bytes);
  }
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The same image under the same name is one entry. In Docker's archives entries are called as `docker save` calls them. */
function uniqueEntries(images: readonly PlannedImage[], { kind, name }: ArchivePlace) {
  const whole = kind === "docker-archive" ? referenceOf(name) : undefined;
  const entries = images.flatMap((image) => entriesOf(image, whole ?? name));
  return [...new Map(entries.map((entry) => [JSON.stringify(entry), entry])).values()];
}

/** What Docker's list says of the image. Only a container image of one platform, all of it here, can be in it. */
async function archivedImage(image: PlannedImage, name: string | undefined): Promise<ArchivedImage> {
  const { source, root, foreign, referrers } = image;
  const { content } = root;
  const refuse = (why: string, hint: string): BerthError =>
    new BerthError("invalid-argument", `${source.name}: a docker-archive cannot hold ${why}`, { hint });
  const other = "use oci-archive";
  if (content.kind === "index") {
    throw refuse("several platforms", `choose one with --platform: ${platformList(content.members)}; or ${other}`);
  }
  if (!content.config || !isContainerImage(content)) throw refuse("what is no container image", other);
  if (foreign.length > 0) throw refuse("an image with foreign layers", other);
  if (referrers.length > 0) throw refuse("what refers to an image", other);
  const reader = { manifest: source.manifest, blob: (digest: Digest) => source.blob({ digest }) };
  const config = parseConfig(await readSmall(reader, content.config, source.name), `config of ${source.name}`);
  if (config.rootfs.diff_ids.length !== content.layers.length)
    throw refuse("an image whose config and manifest differ in the number of layers", other);
  return {
    config: content.config.digest,
    diffIds: config.rootfs.diff_ids,
    layers: content.layers,
    names: namesFor(source.ref, name),
  };
}

function namesFor(ref: Reference | undefined, name: string | undefined): Reference[] {
  if (name === undefined) return ref ? [ref] : [];
  const own = referenceOf(name);
  if (own) return [own];
  throw new BerthError("invalid-argument", `${JSON.stringify(name)} is no name of an image`, {
    hint: "such as docker-archive:FILE:app:1",
  });
}

function padded(bytes: Uint8Array = Buffer.alloc(0)): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(paddingOf(bytes.byteLength))]);
}
