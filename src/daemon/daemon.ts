import { rmSync } from "node:fs";
import { createApi } from "../api/api.ts";
import { ensureDir, writeAtomic } from "../host/files.ts";
import { collectGarbage, dropCode } from "../host/memory.ts";
import { BerthError } from "../spec/errors.ts";
import type { DaemonConfig } from "./config.ts";
import { watchIdle } from "./idle.ts";
import { listenAll } from "./listen.ts";
import { lockDataRoot } from "./lock.ts";
import type { Logger } from "./log.ts";
import { openServices } from "./services.ts";
import { loadTls } from "./tls.ts";
import { VERSION } from "./version.ts";

/** A daemon that listens. */
export interface Daemon {
  /** Resolves with the reason when it should leave by itself; never, unless it was started automatically. */
  idle: Promise<string>;
  /** Takes over what may change while it runs; see `berth daemon --help`. */
  reload(next: DaemonConfig): void;
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
  const tls = config.tls ? loadTls(config.tls) : undefined;
  ensureDir(config.dataRoot, 0o710);
  ensureDir(config.execRoot, 0o711);
  // Whatever is opened below is closed in reverse order, at the end or where a later step fails.
  await using opened = new AsyncDisposableStack();
  const lock = await lockDataRoot(config.dataRoot);
  opened.defer(() => lock.release());
  if (config.pidfile) {
    const { pidfile } = config;
    writeAtomic(pidfile, `${process.pid}\n`);
    opened.defer(() => rmSync(pidfile, { force: true }));
  }
  const engine = await openServices(config, { log, opened });
  const activity = watchIdle({ after: config.idleExit, busy: () => engine.busy(), rest: collectGarbage });
  opened.defer(() => activity.stop());
  const server = `Berth/${VERSION.version} (linux)`;
  const listeners = await listenAll(
    config.hosts,
    createApi(engine.backend, { server, experimental: config.experimental }),
    { log, activity, tls },
  );
  opened.defer(() => listeners.close());
  dropCode();
  log("info", `Berth ${VERSION.version} listens on ${config.hosts.join(", ")}`);
  void engine.resume();
  const kept = opened.move();
  const reload = (next: DaemonConfig): void => engine.reload({ ...next, debug: next.logLevel === "debug" });
  return { idle: activity.idle, reload, stop: () => kept.disposeAsync() };
}
