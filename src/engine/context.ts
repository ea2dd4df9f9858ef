import type { Build } from "../build/types.ts";
import type { ImageStore } from "../image/types.ts";
import type { LayerStore } from "../layer/types.ts";
import type { NetworkService } from "../network/types.ts";
import type { RegistryClient } from "../registry/types.ts";
import type { RuntimeService } from "../runtime/types.ts";
import type { HostConfig } from "../spec/engine-api.ts";
import type { BlobStore, Leases, Records } from "../store/types.ts";
import type { VolumeService } from "../volume/types.ts";
import type { Container, ContainerIndex } from "./container.ts";
import type { EventBus } from "./events.ts";
import type { Exec } from "./exec/state.ts";
import type { LogSender } from "./logging/sender.ts";
import type { AccountsCache } from "./user.ts";

/** What a person configures for all containers, in daemon.json's terms. */
export interface EngineConfig {
  /** `log-driver` and `log-opts` for containers that name none. */
  logDriver: string;
  logOpts: Record<string, string>;
  /** `labels` of the daemon. */
  labels: string[];
  defaultUlimits: NonNullable<HostConfig["Ulimits"]>;
  /** `init`: give every container an init. */
  init: boolean;
  /** The static init program that `--init` mounts; undefined: none was found on this host. */
  initPath?: string;
  /** `dns`, `dns-search`, `dns-opts` for containers that set none. */
  dns: { dns: string[]; search: string[]; options: string[] };
  debug: boolean;
  /** `default-address-pools`, as configured; for people to see. */
  addressPools: { base: string; size: number }[];
  /** Clients may ask for what Docker calls experimental. */
  experimental: boolean;
}

/** Which Berth this is. */
export interface VersionInfo {
  version: string;
  gitCommit: string;
  /** RFC 3339. */
  buildTime: string;
}

/** One line of the daemon's own log. */
export type Log = (level: "debug" | "info" | "warn" | "error", message: string) => void;

/** All that the engine is composed of. `dataRoot` and `execRoot` are absolute and exist. */
export interface EngineDeps {
  records: Records;
  blobs: BlobStore;
  leases: Leases;
  layers: LayerStore;
  images: ImageStore;
  registry: RegistryClient;
  network: NetworkService;
  volumes: VolumeService;
  runtime: RuntimeService;
  build: Build;
  dataRoot: string;
  execRoot: string;
  version: VersionInfo;
  config: EngineConfig;
  log: Log;
}

/** What every verb works with. */
export interface EngineContext extends EngineDeps {
  containers: ContainerIndex;
  events: EventBus;
  execs: Map<string, Exec>;
  accounts: AccountsCache;
  /** By container: who sends its log away. */
  logSenders: Map<string, LogSender>;
  /** Aborted when the daemon ends: nothing is started any more, streams end. */
  closing: AbortSignal;
  /** Starts a container for its restart policy, its lock held. Here, since the exit's handling comes from the start and leads to it. */
  startByPolicy: (container: Container) => Promise<void>;
}

/** `<dataRoot>/containers/<id>`: hosts, hostname, resolv.conf, log, and the writable layer. */
export function containerDir(ctx: EngineDeps, id: string): string {
  return `${ctx.dataRoot}/containers/${id}`;
}
