import type { TarHeader } from "../layer/tar/header.ts";
import { type TarItem, tarHeader } from "../layer/tar/writer.ts";
import type { Digest } from "../spec/digest.ts";
import { type Descriptor, MediaType } from "../spec/oci.ts";
import { familiarName, familiarString, type Reference } from "../spec/reference.ts";

/** One image of an archive as `docker save` writes it, with the names that it has there. */
export interface ArchivedImage {
  config: Digest;
  diffIds: readonly Digest[];
  layers: readonly Descriptor[];
  names: readonly Reference[];
}

/** A file of the archive; the bytes of small ones are at hand. */
export type SmallItem = TarItem & { body?: Buffer };

/** The folders that blobs are in. */
export function blobFolders(): SmallItem[] {
  return ["blobs/", "blobs/sha256/"].map((path) => ({ header: folder(path) }));
}

/** Where a blob is in an archive. */
export function blobName(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/** `index.json` (OCI image-spec, image-layout.md) of these manifests. */
export function indexFile(manifests: readonly Descriptor[]): SmallItem {
  return jsonFile("index.json", { schemaVersion: 2, mediaType: MediaType.index, manifests });
}

/** The file that marks a layout. */
export function layoutFile(): SmallItem {
  return jsonFile("oci-layout", { imageLayoutVersion: "1.0.0" });
}

/** Docker's list of images (moby, image/spec/v1.2.md). */
export function dockerManifestFile(images: readonly ArchivedImage[]): SmallItem {
  return jsonFile("manifest.json", images.map(dockerEntry));
}

/** Names as Docker before 1.10 read them; nothing where no image has one. */
export function repositoriesFile(images: readonly ArchivedImage[]): SmallItem[] {
  const repositories = repositoriesOf(images);
  return Object.keys(repositories).length > 0 ? [jsonFile("repositories", repositories)] : [];
}

function folder(path: string): TarHeader {
  return tarHeader({ path, type: "dir", mode: 0o755 });
}

function jsonFile(path: string, value: unknown): SmallItem {
  const body = Buffer.from(JSON.stringify(value));
  return { header: tarHeader({ path, size: body.byteLength }), body };
}

function dockerEntry({ config, diffIds, layers, names }: ArchivedImage): object {
  return {
    Config: blobName(config),
    RepoTags: names.length > 0 ? names.map(familiarString) : null,
    Layers: layers.map((layer) => blobName(layer.digest)),
    LayerSources: Object.fromEntries(layers.map((layer, i) => [diffIds[i] ?? layer.digest, layer])),
  };
}

/** Name → tag → the top layer. */
function repositoriesOf(images: readonly ArchivedImage[]): Record<string, Record<string, string>> {
  const all: Record<string, Record<string, string>> = {};
  for (const { layers, names } of images) {
    const top = layers.at(-1)?.digest.slice("sha256:".length) ?? "";
    for (const ref of names) all[familiarName(ref)] = { ...all[familiarName(ref)], [ref.tag ?? "latest"]: top };
  }
  return Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
}
