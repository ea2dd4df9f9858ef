import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLayerStore } from "../layer/store.ts";
import type { LayerStore } from "../layer/types.ts";
import type { Digest } from "../spec/digest.ts";
import { type Descriptor, MediaType, type Platform } from "../spec/oci.ts";
import { openBlobStore } from "../store/blobs.ts";
import { type Disk, openDisk } from "../store/disk.ts";
import { leasedIds, openLeases } from "../store/leases.ts";
import { openRecords } from "../store/records.ts";
import type { BlobStore, Leases, Records } from "../store/types.ts";
import { openImageStore } from "./store.ts";
import type { ImageStore } from "./types.ts";

/** For tests: a whole store in a folder of its own. */
export interface TestStore {
  root: string;
  records: Records;
  blobs: BlobStore;
  layers: LayerStore;
  leases: Leases;
  disk: Disk;
  images: ImageStore;
  /** All that the store holds, to compare before and after. */
  snapshot(): object;
  /** Loads and returns the messages of `stream`. */
  load(archive: Uint8Array, options?: { platform?: string }): Promise<string[]>;
  close(): void;
}

/** For tests: one entry of a tar. Without `data`, `link` or `symlink` it is a folder. */
export interface TarInput {
  name: string;
  data?: string | Uint8Array;
  link?: string;
  symlink?: string;
}

/** Where a test has its own boots, the disk gets what `settle` brings. */
const NEVER_MS = 1 << 30;

/** Opens an empty store below the system's folder for temporary files, or the one that `root` names. */
export function openTestStore(
  root = mkdtempSync(join(tmpdir(), "berth-images-")),
  { warn = () => undefined, boot }: { warn?: (line: string) => void; boot?: string } = {},
): TestStore {
  const records = openRecords(join(root, "berth.db"));
  const disk = openDisk(root, boot === undefined ? {} : { boot, soonMs: NEVER_MS });
  const blobs = openBlobStore(join(root, "content"), disk);
  const layers = openLayerStore({ root: join(root, "layers"), records, disk });
  const leases = openLeases(records);
  const images = openImageStore({ records, blobs, layers, leases, disk, warn });
  return {
    root,
    records,
    blobs,
    layers,
    leases,
    disk,
    images,
    snapshot: () => ({
      records: [
        ...["images", "tags"].map((t) => records.table(t as "images").entries()),
        layers.list().map(({ unsynced: _mark, ...record }) => record),
        [...leasedIds(records)],
      ],
      blobs: blobs.list().sort(),
      folders: ["content/tmp", "layers", "layers/tmp"].map((d) => readdirSync(join(root, d)).sort()),
    }),
    load: async (archive, options = {}) => {
      const lines: string[] = [];
      for await (const m of images.load(chunked(archive), { quiet: true, ...options }))
        lines.push(m.stream?.trim() ?? "");
      return lines;
    },
    close: () => {
      records.close();
      if (existsSync(root)) rmSync(root, { recursive: true });
    },
  };
}

/** The bytes in pieces that do not fall on tar's block borders. */
export async function* chunked(bytes: Uint8Array, size = 7000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** The digest of bytes or of a string. */
export function digestOf(data: string | Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(data).digest("hex")}`;
}

/** A ustar archive; names are written as they are, however hostile. */
export function tar(...entries: TarInput[]): Buffer {
  const blocks = entries.flatMap((entry) => {
    const data = Buffer.from(entry.data ?? "");
    return [header(entry, data.length), data, Buffer.alloc((512 - (data.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function header({ name, data, link, symlink }: TarInput, size: number): Buffer {
  const block = Buffer.alloc(512);
  const type = link !== undefined ? "1" : symlink !== undefined ? "2" : data !== undefined ? "0" : "5";
  block.write(name, 0, 100);
  block.write("0000755\0", 100);
  block.write("0000000\0".repeat(2), 108);
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  block.write("00000000000\0", 136);
  block.write("        ", 148);
  block.write(type, 156);
  block.write(link ?? symlink ?? "", 157, 100);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** A config of these layers (uncompressed tars), with whatever else it should have. */
export function configFor(layers: Uint8Array[], extra: object = {}): string {
  const rootfs = { type: "layers", diff_ids: layers.map(digestOf) };
  return JSON.stringify({ architecture: "amd64", os: "linux", ...extra, rootfs });
}

/** A docker-archive with one image, as `docker save` wrote it before version 25. `stored` are the layers as they stand in it. */
export function dockerArchive(image: {
  layers: Uint8Array[];
  stored?: Uint8Array[];
  tags?: string[] | null;
  config?: object;
}): Buffer {
  const config = configFor(image.layers, image.config);
  const names = image.layers.map((_, i) => `layer${i}/layer.tar`);
  const manifest = [{ Config: "config.json", RepoTags: image.tags ?? null, Layers: names }];
  return tar(
    ...names.map((name, i) => ({ name, data: (image.stored ?? image.layers)[i] ?? "" })),
    { name: "config.json", data: config },
    { name: "manifest.json", data: JSON.stringify(manifest) },
  );
}

/** Blobs of an OCI layout under construction. */
export class OciLayout {
  readonly entries: TarInput[] = [];

  blob(mediaType: string, data: string | Uint8Array): Descriptor {
    const digest = digestOf(data);
    const entry = { name: `blobs/${digest.replace(":", "/")}`, data };
    if (!this.entries.some((e) => e.name === entry.name)) this.entries.push(entry);
    return { mediaType, digest, size: Buffer.from(data).length };
  }

  /** A manifest over one config and one layer for each tar; `stored` and `mediaType` where the layers are compressed. */
  image(layers: Uint8Array[], form: { config?: object; stored?: Uint8Array[]; mediaType?: string } = {}): Descriptor {
    const config = this.blob(MediaType.config, configFor(layers, form.config));
    const stored = (form.stored ?? layers).map((l) => this.blob(form.mediaType ?? MediaType.layer, l));
    const manifest = { schemaVersion: 2, mediaType: MediaType.manifest, config, layers: stored };
    return this.blob(MediaType.manifest, JSON.stringify(manifest));
  }

  index(manifests: (Descriptor & { platform?: Platform })[]): Descriptor {
    return this.blob(MediaType.index, JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests }));
  }

  /** The whole archive with this `index.json`, which comes first, before what it names. */
  archive(manifests: Descriptor[], more: TarInput[] = []): Buffer {
    return tar(
      { name: "index.json", data: JSON.stringify({ schemaVersion: 2, manifests }) },
      { name: "oci-layout", data: '{"imageLayoutVersion":"1.0.0"}' },
      ...this.entries,
      ...more,
    );
  }
}
