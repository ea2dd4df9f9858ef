import { existsSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { createApi } from "../api/api.ts";
import { build } from "../build/build.ts";
import { openEngine } from "../engine/engine.ts";
import { helperPath } from "../host/embedded.ts";
import { ensureDir, writeAtomic } from "../host/files.ts";
import { openImageStore } from "../image/store.ts";
import { openLayerStore } from "../layer/store.ts";
import { openNetworkService } from "../network/service.ts";
import { findRuntimes } from "../runtime/binaries.ts";
import { openRuntimeService } from "../runtime/service.ts";
import { BerthError } from "../spec/errors.ts";
import { openBlobStore } from "../store/blobs.ts";
import { openLeases } from "../store/leases.ts";
import { openRecords } from "../store/records.ts";
import { openVolumeService } from "../volume/service.ts";
import type { DaemonConfig } from "./config.ts";
import { watchIdle } from "./idle.ts";
import { listenAll } from "./listen.ts";
import { lockDataRoot } from "./lock.ts";
import type { Logger } from "./log.ts";
import { VERSION } from "./version.ts";

/** A daemon that listens. */
export interface Daemon {
  /** Resolves with the reason when it should leave by itself; never, unless it was started automatically. */
  idle: Promise<string>;
  /** Closes sockets and records. Running containers go on. */
  stop(): Promise<void>;
}

const INIT_PATHS = [
  "/usr/bin/tini-static",
  "/usr/bin/docker-init",
  "/usr/libexec/docker/docker-init",
  "/usr/bin/catatonit",
  "/usr/libexec/podman/catatonit",
];

/** Opens everything below the roots, puts right what a killed daemon left, and listens. Throws one clear line where it cannot. */
export async function startBerth(config: DaemonConfig, log: Logger): Promise<Daemon> {
  if (process.getuid?.() !== 0) {
    throw new BerthError("forbidden", "the daemon needs to be root: it makes mounts, namespaces and firewall rules", {
      hint: "start it with sudo",
    });
  }
  ensureDir(config.dataRoot, 0o711);
  ensureDir(config.execRoot, 0o711);
  const lock = lockDataRoot(config.dataRoot);
  if (config.pidfile) writeAtomic(config.pidfile, `${process.pid}\n`);
  const at = (...names: string[]): string => join(config.dataRoot, ...names);
  const records = openRecords(at("berth.db"));
  const blobs = openBlobStore(at("content"));
  const leases = openLeases(records);
  const layers = openLayerStore({ root: at("layers"), records });
  const images = openImageStore({ records, blobs, layers, leases, tmp: at("tmp") });
  const network = openNetworkService({
    records,
    execRoot: config.execRoot,
    bridge: config.bridge,
    log: (line) => log("info", line),
    ...(config.bip ? { bip: config.bip } : {}),
    ...(config.mtu ? { mtu: config.mtu } : {}),
  });
  const volumes = openVolumeService({ root: at("volumes"), records });
  const runtimes = findRuntimes(config.runtimes, config.defaultRuntime);
  for (const line of runtimes.warnings) log("warn", line);
  const runtime = openRuntimeService({
    execRoot: config.execRoot,
    helper: helperPath(at("helper")),
    runtimes,
    cgroupParent: config.cgroupParent,
  });
  const engine = await openEngine({
    records,
    blobs,
    leases,
    layers,
    images,
    network,
    volumes,
    runtime,
    build,
    dataRoot: config.dataRoot,
    execRoot: config.execRoot,
    version: VERSION,
    config: engineConfig(config),
    log,
  });
  const activity = watchIdle({ after: config.idleExit, busy: () => engine.busy() });
  const listeners = await listenAll(config.hosts, activity.track(createApi(engine.backend)), log);
  log("info", `Berth ${VERSION.version} listens on ${config.hosts.join(", ")}`);
  return {
    idle: activity.idle,
    stop: async () => {
      activity.stop();
      await listeners.close();
      await engine.shutdown();
      await network.stop();
      records.close();
      if (config.pidfile && existsSync(config.pidfile)) unlinkSync(config.pidfile);
      lock.release();
    },
  };
}

function engineConfig(config: DaemonConfig): Parameters<typeof openEngine>[0]["config"] {
  const initPath = config.initPath ?? INIT_PATHS.find((path) => existsSync(path));
  return {
    logDriver: config.logDriver,
    logOpts: config.logOpts,
    labels: config.labels,
    defaultUlimits: Object.values(config.defaultUlimits),
    init: config.init,
    ...(initPath ? { initPath } : {}),
    dns: { dns: config.dns, search: config.dnsSearch, options: config.dnsOpts },
    defaultShmSize: 64 * 1024 * 1024,
    debug: config.logLevel === "debug",
  };
}
