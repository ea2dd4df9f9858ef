import { writeSync } from "node:fs";
import { CommanderError } from "commander";
import { preferMemory } from "../host/memory.ts";
import { errnoOf, messageOf } from "../spec/errors.ts";
import { type DaemonConfig, loadConfig } from "./config.ts";
import { startBerth } from "./daemon.ts";
import { stderrLogger } from "./log.ts";

const HOUR_MS = 3_600_000;

/** `berth daemon`: runs until SIGTERM or SIGINT, or until it has been idle for long enough. Returns the exit code. */
export async function runDaemon(argv: readonly string[]): Promise<number> {
  // Helpers, held ports and timers do not keep a process. One that waits for nothing else than these, as at a start, would end here, and with success.
  const alive = setInterval(() => undefined, HOUR_MS);
  try {
    preferMemory();
    let config = loadConfig(argv);
    const log = stderrLogger(() => config.logLevel);
    const ended = new Promise<string>((resolve) => {
      for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => resolve(signal));
    });
    // Before there is a daemon, the start reads what is in the file anyway.
    let reload: (next: DaemonConfig) => void = () => undefined;
    process.on("SIGHUP", () => {
      try {
        config = loadConfig(argv);
        reload(config);
        log(
          "info",
          "SIGHUP: labels, log level and what concerns registries are read again; the rest at the next start",
        );
      } catch (error) {
        log("error", `SIGHUP: ${messageOf(error)}; the settings stay as they are`);
      }
    });
    process.on("SIGPIPE", () => undefined);
    process.on("unhandledRejection", (error) =>
      log("error", `internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
    );
    const daemon = await startBerth(config, log);
    reload = daemon.reload;
    if (process.env["BERTH_READY"] === "stdout") sayReady();
    const why = await Promise.race([ended, daemon.idle]);
    log("info", `leaving: ${why}; running containers go on`);
    await daemon.stop();
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    process.stderr.write(`berth daemon: ${messageOf(error)}\n`);
    return 1;
  } finally {
    clearInterval(alive);
  }
}

/** For whoever started this daemon and waits; that one may have gone. */
function sayReady(): void {
  try {
    writeSync(process.stdout.fd, "ready\n");
  } catch (error) {
    if (errnoOf(error) !== "EPIPE") throw error;
  }
}
