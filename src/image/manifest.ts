import type { Descriptor, Index, Manifest, Platform } from "../spec/oci.ts";
import { count, digest, list, mapOf, object, parseJson, text } from "./config.ts";

const platform = object<Platform>({ os: text, architecture: text, variant: text }, ["os", "architecture"]);

const descriptor = object<Descriptor>(
  { mediaType: text, digest, size: count, platform, annotations: mapOf(text), urls: list(text) },
  ["mediaType", "digest", "size"],
);

const version: (value: unknown, at: string) => 2 = (value, at) => {
  count(value, at);
  return 2;
};

const manifest = object<Manifest>(
  { schemaVersion: version, mediaType: text, config: descriptor, layers: list(descriptor), annotations: mapOf(text) },
  ["config", "layers"],
);

const index = object<Index>(
  { schemaVersion: version, mediaType: text, manifests: list(descriptor), annotations: mapOf(text) },
  ["manifests"],
);

/** An image manifest (OCI image-spec, manifest.md) from untrusted bytes. Throws `invalid-argument` that names `what` and the field. */
export function parseManifest(bytes: Uint8Array, what: string): Manifest {
  return manifest(parseJson(bytes, what), what);
}

/** An image index (OCI image-spec, image-index.md) from untrusted bytes. Throws as `parseManifest`. */
export function parseIndex(bytes: Uint8Array, what: string): Index {
  return index(parseJson(bytes, what), what);
}
