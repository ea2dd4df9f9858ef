import { existsSync, unlinkSync } from "node:fs";
import { createApi } from "../api/api.ts";
import { ensureDir, writeAtomic } from "../host/files.ts";
import { BerthError } from "../spec/errors.ts";
import type { DaemonConfig } from "./config.ts";
import { watchIdle } from "./idle.ts";
import { listenAll } from "./listen.ts";
import { lockDataRoot } from "./lock.ts";
import type { Logger } from "./log.ts";
import { openServices } from "./services.ts";
import { VERSION } from "./version.ts";

/** A daemon that listens. */
export interface Daemon {
  /** Resolves with the reason when it should leave by itself; never, unless it was started automatically. */
  idle: Promise<string>;
  /** Closes sockets and records. Running containers go on. */
  stop(): Promise<void>;
}

/** Opens everything below the roots, puts right what a killed daemon left, and listens. Throws one clear line where it cannot. */
export async function startBerth(config: DaemonConfig, log: Logger): Promise<Daemon> {
  if (process.getuid?.() !== 0) {
    throw new BerthError("forbidden", "the daemon needs to be root: it makes mounts, namespaces and firewall rules", {
      hint: "start it with sudo",
    });
  }
  ensureDir(config.dataRoot, 0o711);
  ensureDir(config.execRoot, 0o711);
  const lock = await lockDataRoot(config.dataRoot);
  if (config.pidfile) writeAtomic(config.pidfile, `${process.pid}\n`);
  const { engine, close } = await openServices(config, log);
  const activity = watchIdle({ after: config.idleExit, busy: () => engine.busy() });
  const server = `Berth/${VERSION.version} (linux)`;
  const listeners = await listenAll(config.hosts, createApi(engine.backend, { server }), { log, activity });
  log("info", `Berth ${VERSION.version} listens on ${config.hosts.join(", ")}`);
  return {
    idle: activity.idle,
    stop: async () => {
      activity.stop();
      await listeners.close();
      await close();
      if (config.pidfile && existsSync(config.pidfile)) unlinkSync(config.pidfile);
      lock.release();
    },
  };
}
