import type { Digest } from "./digest.ts";

/** Media types of OCI image-spec (media-types.md) and of Docker image manifest 2.2. */
export const MediaType = {
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  layerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerLayerZstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
} as const;

/** Indexes, image manifests and configs in both of their forms. */
export const INDEX_TYPES: readonly string[] = [MediaType.index, MediaType.dockerIndex];
/** See `INDEX_TYPES`. */
export const MANIFEST_TYPES: readonly string[] = [MediaType.manifest, MediaType.dockerManifest];
/** See `INDEX_TYPES`. */
export const CONFIG_TYPES: readonly string[] = [MediaType.config, MediaType.dockerConfig];
/** Layers that can be unpacked. */
export const LAYER_TYPES: readonly string[] = [
  MediaType.layer,
  MediaType.layerGzip,
  MediaType.layerZstd,
  MediaType.dockerLayer,
  MediaType.dockerLayerGzip,
  MediaType.dockerLayerZstd,
];

/** Layers that may not be handed on (OCI image-spec, layer.md, "Non-Distributable Layers"; Docker's "foreign"): they are where their `urls` say. */
export const FOREIGN_LAYERS: readonly string[] = [
  "application/vnd.docker.image.rootfs.foreign.diff.tar",
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
];

/** OCI image-spec, descriptor.md. `size` in bytes. */
export interface Descriptor {
  mediaType: string;
  digest: Digest;
  size: number;
  platform?: Platform;
  annotations?: Record<string, string>;
  /** Where else the content is. */
  urls?: string[];
}

/** OCI image-spec, image-index.md, "platform". */
export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
}

/** OCI image-spec, manifest.md. */
export interface Manifest {
  schemaVersion: 2;
  mediaType?: string;
  config: Descriptor;
  layers: Descriptor[];
  annotations?: Record<string, string>;
}

/** OCI image-spec, image-index.md. */
export interface Index {
  schemaVersion: 2;
  mediaType?: string;
  manifests: Descriptor[];
  annotations?: Record<string, string>;
}

/** The execution parameters of an image (OCI image-spec, config.md, with Docker's additions). */
export interface ImageRunConfig {
  User?: string;
  ExposedPorts?: Record<string, object>;
  Env?: string[];
  Entrypoint?: string[];
  Cmd?: string[];
  Volumes?: Record<string, object>;
  WorkingDir?: string;
  Labels?: Record<string, string>;
  StopSignal?: string;
  ArgsEscaped?: boolean;
  /** Docker: times in nanoseconds. */
  Healthcheck?: {
    Test?: string[];
    Interval?: number;
    Timeout?: number;
    StartPeriod?: number;
    StartInterval?: number;
    Retries?: number;
  };
  /** Docker. */
  Shell?: string[];
  /** Docker. */
  OnBuild?: string[];
}

/** OCI image-spec, config.md, "history". */
export interface History {
  created?: string;
  created_by?: string;
  author?: string;
  comment?: string;
  empty_layer?: boolean;
}

/** OCI image-spec, config.md: the image's configuration; its digest is the image's id. */
export interface ImageConfigFile {
  created?: string;
  author?: string;
  architecture: string;
  os: string;
  variant?: string;
  config?: ImageRunConfig;
  rootfs: { type: "layers"; diff_ids: Digest[] };
  history?: History[];
}
