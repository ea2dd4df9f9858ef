import type { Image, ImageStore } from "../image/types.ts";
import type { ChainId, LayerStore } from "../layer/types.ts";
import type { HostConfig } from "../spec/engine-api.ts";
import type { ImageRunConfig } from "../spec/oci.ts";
import type { BlobStore, Leases, Records } from "../store/types.ts";

/** What a `RUN` needs: the consumer's interface, implemented by the engine with a real container. */
export interface Runner {
  run(step: RunStep): Promise<RunResult>;
}

/** One command over a stack of layers. */
export interface RunStep {
  /** The layers below; undefined: scratch. */
  top?: ChainId;
  args: string[];
  /** Env, User, WorkingDir are taken from it. */
  run: ImageRunConfig;
  network?: string;
  /** Limits and names that it runs with. */
  limits?: HostConfig;
  output: (stream: "stdout" | "stderr", bytes: Uint8Array) => void;
  signal?: AbortSignal;
}

/** How it ended. `upper` holds what it changed; the caller commits or removes it with `dispose`. */
export interface RunResult extends AsyncDisposable {
  code: number;
  upper: string;
}

/** Options of one build, normalised at the door. */
export interface BuildOptions {
  dockerfile: string;
  tags: string[];
  buildArgs: Record<string, string | null>;
  labels: Record<string, string>;
  target?: string;
  noCache: boolean;
  network?: string;
  /** What RUN steps run with; their results are cached without regard to it. */
  limits?: HostConfig;
  platform?: string;
  /** Ask the registry for the images that FROM names even where they are here. */
  pull?: boolean;
  quiet: boolean;
  /** Images whose history says what its layers were made by: a RUN that is the same takes its layer from there. Names that are not here are passed over. */
  cacheFrom?: readonly string[];
  /** The layers above the base image become one. */
  squash?: boolean;
  /** What `rm=false` and `forcerm` say about intermediate containers; there are none to keep, the output alone follows. */
  keep?: boolean;
  forceRemove?: boolean;
  signal?: AbortSignal;
}

/** A message of Docker's classic build stream. */
export interface BuildProgress {
  stream?: string;
  status?: string;
  id?: string;
  progressDetail?: { current?: number; total?: number };
  aux?: { ID: string };
}

/** What the builder works with. */
export interface BuildDeps {
  records: Records;
  blobs: BlobStore;
  layers: LayerStore;
  images: ImageStore;
  leases: Leases;
  runner: Runner;
  /** Brings an image from its registry; yields the messages of that. Throws where there is none. */
  pull: (name: string, platform: string | undefined) => AsyncIterable<BuildProgress>;
  /** A folder for the unpacked context, removed after; on the store's file system. */
  tmp: string;
}

/** Builds from a context tar (none, gzip, bzip2, xz, zstd); yields progress, then ends; throws a BerthError that names file, line and step. */
export type Build = (
  context: AsyncIterable<Uint8Array>,
  options: BuildOptions,
  deps: BuildDeps,
) => AsyncGenerator<BuildProgress, Image>;
