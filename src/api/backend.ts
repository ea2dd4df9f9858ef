import type { Duplex } from "node:stream";
import type {
  ContainerConfig,
  ContainerInspectResponse,
  ContainerSummary,
  ContainerTopResponse,
  DistributionInspect,
  EndpointSettings,
  EventMessage,
  HostConfig,
  ImageHistoryResponseItem,
  ImageInspect,
  ImageSummary,
  Network,
  NetworkingConfig,
  SystemInfo,
  SystemVersion,
  Volume,
  VolumeCreateOptions,
} from "../spec/engine-api.ts";

/** Filters as clients send them: key → values. */
export type Filters = Record<string, string[]>;

/** One line of a progress stream (`application/json`, one object a line). Errors end the stream as `{errorDetail, error}`. */
export type Progress = { [key: string]: unknown };

/** Body of `POST /containers/create`. */
export type CreateBody = ContainerConfig & { HostConfig?: HostConfig; NetworkingConfig?: NetworkingConfig };

/** What an attach, and an exec's start, streams. */
export interface AttachOptions {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** Follow the live streams. */
  stream: boolean;
  /** First, what is in the log already. */
  logs: boolean;
  detachKeys?: string;
}

/** `since` and `until` are RFC 3339 in UTC, to the nanosecond; `tail` undefined: all. `details`: the attributes before each line. */
export interface LogsOptions {
  stdout: boolean;
  stderr: boolean;
  follow: boolean;
  timestamps: boolean;
  details?: boolean;
  since?: string;
  until?: string;
  tail?: number;
  signal: AbortSignal;
}

/** The options of `GET /containers/json`. */
export interface ListOptions {
  all: boolean;
  size: boolean;
  limit?: number;
  filters: Filters;
}

/** Router `container`. Every `id` is a name, id or unique prefix; unknown ones throw `not-found` "No such container: x". */
export interface ContainerBackend {
  list(options: ListOptions): Promise<ContainerSummary[]>;
  /** What a person who looks at the containers is to know besides; undefined: nothing. One line of ASCII without quotes. */
  listWarning(): Promise<string | undefined>;
  create(
    name: string | undefined,
    body: CreateBody,
    options: { platform?: string },
  ): Promise<{ Id: string; Warnings: string[] }>;
  inspect(id: string, options: { size: boolean }): Promise<ContainerInspectResponse>;
  /** Throws `not-modified` where it runs already. */
  start(id: string, options: { detachKeys?: string }): Promise<void>;
  stop(id: string, options: { signal?: string; timeout?: number }): Promise<void>;
  restart(id: string, options: { signal?: string; timeout?: number }): Promise<void>;
  kill(id: string, options: { signal?: string }): Promise<void>;
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
  rename(id: string, name: string): Promise<void>;
  /** `ready` is called when the wait is registered, before it resolves: the API sends its headers then. */
  wait(
    id: string,
    options: { condition: "not-running" | "next-exit" | "removed"; signal: AbortSignal; ready: () => void },
  ): Promise<{ StatusCode: number; Error?: { Message: string } }>;
  remove(id: string, options: { force: boolean; volumes: boolean; link: boolean }): Promise<void>;
  /** A stream in attach framing (raw with tty, else stdcopy). `tty` tells the content type. */
  logs(id: string, options: LogsOptions): Promise<{ tty: boolean; stream: AsyncIterable<Uint8Array> }>;
  /** Takes over `client`, resolves when the attach has ended and everything was flushed. `ready(tty)` is called once the request is known to be good: the API sends the upgrade answer then, and before any byte. */
  attach(id: string, options: AttachOptions, ready: (tty: boolean) => Duplex): Promise<void>;
  resize(id: string, size: { rows: number; cols: number }): Promise<void>;
  top(id: string, psArgs: string): Promise<ContainerTopResponse>;
  /** Warnings are null where there are none, as Docker has it. */
  update(id: string, changes: HostConfig): Promise<{ Warnings: string[] | null }>;
  prune(filters: Filters): Promise<{ ContainersDeleted: string[]; SpaceReclaimed: number }>;
  /** One sample (`stream` false) or one a second, in the shape of ContainerStatsResponse. */
  stats(
    id: string,
    options: { stream: boolean; oneShot: boolean; signal: AbortSignal },
  ): Promise<AsyncIterable<object>>;
}

/** What `HEAD /containers/{id}/archive` tells of an entry: `mode` as Go's FileMode, `mtime` RFC 3339, `linkTarget` where a link leads inside the root. */
export interface PathStat {
  name: string;
  size: number;
  mode: number;
  mtime: string;
  linkTarget: string;
}

/** The options of `POST /commit`. `config` counts before the container's own; `changes` are Dockerfile instructions. */
export interface CommitOptions {
  repo?: string;
  tag?: string;
  comment?: string;
  author?: string;
  pause: boolean;
  changes: string[];
  config?: ContainerConfig;
}

/** Routers `archive` and `commit`: a container's files. A tar that is answered has to be read to its end or returned. */
export interface FilesBackend {
  stat(id: string, options: { path: string; signal: AbortSignal }): Promise<PathStat>;
  read(
    id: string,
    options: { path: string; signal: AbortSignal },
  ): Promise<{ stat: PathStat; tar: AsyncIterable<Uint8Array> }>;
  /** Unpacks into a folder. `keepDirs`: no folder takes the place of something else, nor the reverse. */
  write(
    id: string,
    options: { path: string; keepDirs: boolean; ownByUser: boolean; signal: AbortSignal },
    tar: AsyncIterable<Uint8Array>,
  ): Promise<void>;
  export(id: string, options: { signal: AbortSignal }): Promise<AsyncIterable<Uint8Array>>;
  /** Null: none. */
  changes(id: string): Promise<{ Path: string; Kind: 0 | 1 | 2 }[] | null>;
  commit(id: string, options: CommitOptions): Promise<{ Id: string }>;
}

/** Body of `POST /containers/{id}/exec`. */
export interface ExecCreateBody {
  AttachStdin?: boolean;
  AttachStdout?: boolean;
  AttachStderr?: boolean;
  ConsoleSize?: number[] | null;
  DetachKeys?: string;
  Tty?: boolean;
  Env?: string[];
  Cmd?: string[];
  Privileged?: boolean;
  User?: string;
  WorkingDir?: string;
}

/** Router `exec`. */
export interface ExecBackend {
  create(containerId: string, body: ExecCreateBody): Promise<{ Id: string }>;
  /** As ContainerBackend.attach; with `detach` it answers when the process runs. */
  start(
    id: string,
    options: { detach: boolean; tty: boolean; consoleSize?: { rows: number; cols: number } },
    ready: (tty: boolean) => Duplex,
  ): Promise<void>;
  resize(id: string, size: { rows: number; cols: number }): Promise<void>;
  /** `GET /exec/{id}/json`, in the specification's shape. */
  inspect(id: string): Promise<object>;
}

/** Credentials for a registry (Engine API, "Authentication"), as `X-Registry-Auth` and `POST /auth` have them. */
export interface RegistryAuth {
  username?: string;
  password?: string;
  serveraddress?: string;
  identitytoken?: string;
  registrytoken?: string;
}

/** Router `registry`: what is asked of registries without an image of ours. */
export interface RegistryBackend {
  login(auth: RegistryAuth): Promise<{ Status: string; IdentityToken?: string }>;
  search(term: string, options: { limit: number; filters: Filters; auth?: RegistryAuth }): Promise<object[]>;
  distribution(name: string, auth?: RegistryAuth): Promise<DistributionInspect>;
}

/** Router `image`. */
export interface ImageBackend {
  /** `SharedSize` is -1 without `sharedSize`. */
  list(options: { all: boolean; filters: Filters; sharedSize?: boolean; manifests?: boolean }): Promise<ImageSummary[]>;
  /** `platform` here and below: `os/arch[/variant]`; throws `not-found` where the image is of another. */
  inspect(name: string, options?: { platform?: string; manifests?: boolean }): Promise<ImageInspect>;
  history(name: string, options?: { platform?: string }): Promise<ImageHistoryResponseItem[]>;
  tag(name: string, repo: string, tag: string): Promise<void>;
  remove(
    name: string,
    options: { force: boolean; noprune: boolean; platform?: string },
  ): Promise<({ Untagged: string } | { Deleted: string })[]>;
  load(archive: AsyncIterable<Uint8Array>, options: { quiet: boolean; platform?: string }): AsyncIterable<Progress>;
  /** A tar of these images, names as people write them. Throws `not-found` before the first byte. */
  save(names: string[], options: { platform?: string }): AsyncIterable<Uint8Array>;
  import(
    source: { url: string } | { tar: AsyncIterable<Uint8Array> },
    options: { repo?: string; tag?: string; message?: string; changes: string[]; platform?: string },
  ): AsyncIterable<Progress>;
  /** `all`: every tag of the repository. */
  pull(
    reference: string,
    options: { platform?: string; all: boolean; auth?: RegistryAuth; signal: AbortSignal },
  ): AsyncIterable<Progress>;
  /** Without a tag: all tags of the repository. */
  push(
    name: string,
    options: { tag?: string; platform?: string; auth?: RegistryAuth; signal: AbortSignal },
  ): AsyncIterable<Progress>;
  prune(
    filters: Filters,
  ): Promise<{ ImagesDeleted: ({ Untagged: string } | { Deleted: string })[]; SpaceReclaimed: number }>;
  /** Berth's own `POST /berth/bootstrap`: a base image without a registry. */
  bootstrap(
    reference: string,
    options: {
      /** What to make, where the image's name does not say it. */
      from?: string;
      mirror?: string;
      include: string[];
      /** Public keys to trust in place of the host's; `data` in base64. */
      keys?: { name: string; data: string }[];
      signal: AbortSignal;
    },
  ): AsyncIterable<Progress>;
}

/** Router `build`: Docker's classic builder. */
export interface BuildBackend {
  build(
    context: AsyncIterable<Uint8Array>,
    options: {
      dockerfile: string;
      tags: string[];
      buildArgs: Record<string, string | null>;
      labels: Record<string, string>;
      target?: string;
      noCache: boolean;
      network?: string;
      /** What RUN steps run with: memory, CPUs, ulimits, /dev/shm, cgroup parent, further hosts. */
      limits?: HostConfig;
      platform?: string;
      /** Ask the registry for the images that FROM names even where they are here. */
      pull?: boolean;
      /** Credentials by registry (`X-Registry-Config`). */
      auths?: Record<string, RegistryAuth>;
      quiet: boolean;
      /** Where the context is to be had instead: a git repository, or an archive or a Dockerfile by http or https. */
      remote?: string;
      /** Images whose steps are taken where they are the same. */
      cacheFrom?: string[];
      /** One layer of all that the build made. */
      squash?: boolean;
      /** `rm=false`. */
      keep?: boolean;
      forceRemove?: boolean;
      signal: AbortSignal;
    },
  ): AsyncIterable<Progress>;
  /** `keepBytes` may stay, those used last. */
  prune(options: {
    all: boolean;
    filters: Filters;
    keepBytes?: number;
  }): Promise<{ CachesDeleted: string[]; SpaceReclaimed: number }>;
}

/** Body of `POST /networks/create`. */
export interface NetworkCreateBody {
  Name?: string;
  Driver?: string;
  Scope?: string;
  Internal?: boolean;
  Attachable?: boolean;
  Ingress?: boolean;
  ConfigOnly?: boolean;
  ConfigFrom?: { Network?: string };
  IPAM?: {
    Driver?: string;
    Options?: Record<string, string>;
    Config?: { Subnet?: string; IPRange?: string; Gateway?: string; AuxiliaryAddresses?: Record<string, string> }[];
  };
  EnableIPv4?: boolean;
  EnableIPv6?: boolean;
  Options?: Record<string, string>;
  Labels?: Record<string, string>;
}

/** Router `network`. */
export interface NetworkBackend {
  list(filters: Filters): Promise<Network[]>;
  /** `scope` "": any. Throws `not-found`. */
  inspect(id: string, options: { scope: string }): Promise<Network>;
  create(body: NetworkCreateBody): Promise<{ Id: string; Warning: string }>;
  remove(id: string): Promise<void>;
  connect(id: string, body: { Container?: string; EndpointConfig?: EndpointSettings }): Promise<void>;
  disconnect(id: string, body: { Container?: string; Force?: boolean }): Promise<void>;
  /** Removes networks of users that no container is on; null: none, as Docker has it. */
  prune(filters: Filters): Promise<{ NetworksDeleted: string[] | null }>;
}

/** Router `volume`. */
export interface VolumeBackend {
  list(filters: Filters): Promise<{ Volumes: Volume[]; Warnings: string[] }>;
  create(body: VolumeCreateOptions): Promise<Volume>;
  inspect(name: string): Promise<Volume>;
  remove(name: string, options: { force: boolean }): Promise<void>;
  prune(filters: Filters): Promise<{ VolumesDeleted: string[]; SpaceReclaimed: number }>;
  /** Beyond Docker: another name, also for the containers that have it. Throws `conflict` where it is taken. */
  rename(name: string, to: string): Promise<Volume>;
  /** Beyond Docker: its content as a tar. */
  export(name: string, options: { signal: AbortSignal }): Promise<AsyncIterable<Uint8Array>>;
  /** Beyond Docker: a tar into a new or an empty volume, or with `merge` over what is there. */
  import(
    name: string,
    options: { merge: boolean; signal: AbortSignal },
    tar: AsyncIterable<Uint8Array>,
  ): Promise<Volume>;
  /** Beyond Docker: a new volume with the same content. */
  clone(name: string, wanted: { name: string; labels: Record<string, string> }): Promise<Volume>;
}

/** Router `system`. */
export interface SystemBackend {
  info(): Promise<SystemInfo>;
  version(): Promise<SystemVersion>;
  /** Past events since `since`, then live ones, those of one moment together, until `until` or the signal. Times in milliseconds since 1970. */
  events(options: {
    since?: number;
    until?: number;
    filters: Filters;
    signal: AbortSignal;
  }): AsyncIterable<EventMessage[]>;
  diskUsage(types: string[]): Promise<object>;
}

/** All routers' backends, wired in `daemon`. */
export interface Backend {
  container: ContainerBackend;
  files: FilesBackend;
  exec: ExecBackend;
  image: ImageBackend;
  build: BuildBackend;
  network: NetworkBackend;
  volume: VolumeBackend;
  system: SystemBackend;
  registry: RegistryBackend;
}
