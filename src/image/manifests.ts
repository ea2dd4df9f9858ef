import type { ImageManifestSummary, OCIDescriptor } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import { type Manifest, MediaType } from "../spec/oci.ts";
import type { Catalog, StoredImage } from "./catalog.ts";
import type { ImageUser } from "./types.ts";

/**
 * The manifest that an image came with or was pushed with, as the API describes it (OCIDescriptor). Undefined for an image that was made here and not pushed:
 * its layers are compressed by the first push, so nobody could be given that manifest yet.
 */
export function descriptorOf(catalog: Catalog, image: StoredImage): OCIDescriptor | undefined {
  const manifest = wholeManifest(catalog, image);
  const size = catalog.deps.blobs.size(image.manifest);
  if (!manifest || size === undefined) return undefined;
  return { mediaType: manifest.mediaType ?? MediaType.manifest, digest: image.manifest, size };
}

/** The same as a list of manifests with their sizes and containers (ImageManifestSummary): one, as an image has one platform; undefined where there is no descriptor. */
export function manifestSummaries(
  catalog: Catalog,
  image: StoredImage,
  users: readonly ImageUser[] = [],
): ImageManifestSummary[] | undefined {
  const descriptor = descriptorOf(catalog, image);
  if (!descriptor) return undefined;
  const { config, layers } = catalog.manifest(image);
  const digests = new Set([image.manifest, config.digest, ...layers.map((layer) => layer.digest)]);
  const sizes = [...digests].map((digest) => catalog.deps.blobs.size(digest));
  const content = sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  const { os, architecture, variant } = image.config;
  return [
    {
      ID: image.manifest,
      Descriptor: descriptor,
      Available: !sizes.includes(undefined),
      Size: { Content: content, Total: content + image.size },
      Kind: "image",
      ImageData: {
        Platform: { architecture, os, ...(variant ? { variant } : {}) },
        Containers: [...new Set(users.filter((user) => user.image === image.id).map((user) => user.containerId))],
        Size: { Unpacked: image.size },
      },
    },
  ];
}

/** The image's manifest, unless it is lost or names layers whose blobs are still to be made: they have the size 0 (`layerDescriptor`). */
function wholeManifest(catalog: Catalog, image: StoredImage): Manifest | undefined {
  try {
    const manifest = catalog.manifest(image);
    return manifest.layers.every((layer) => layer.size > 0) ? manifest : undefined;
  } catch (error) {
    if (!(error instanceof BerthError)) throw error;
    catalog.warnOnce(image.id, error.message);
    return undefined;
  }
}
