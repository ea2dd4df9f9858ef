import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { selfCommand } from "../host/self.ts";
import { BerthError, errnoOf } from "../spec/errors.ts";
import { DEFAULTS } from "./config.ts";
import { answers } from "./http/bind.ts";

const IDLE_SECONDS = 600;
const WAIT_MS = 20_000;
const STEP_MS = 10;

/**
 * Starts a daemon on the default socket and answers when it listens. Of several callers at once one starts it, under a lock file
 * that names its holder; the others wait. A holder that died leaves a stale lock, which the next caller takes over. The daemon's own lock
 * on the data root makes a second daemon impossible in any case.
 */
export async function startDaemon(execRoot: string = DEFAULTS.execRoot, flags: readonly string[] = []): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new BerthError("forbidden", `no Berth daemon on unix://${execRoot}/berth.sock, and only root can start one`, {
      hint: "run this command with sudo",
    });
  }
  mkdirSync(execRoot, { recursive: true, mode: 0o711 });
  const socket = join(execRoot, "berth.sock");
  const lock = join(execRoot, "start.lock");
  const deadline = Date.now() + WAIT_MS;
  while (!(await answers(socket))) {
    if (takeLock(lock)) {
      try {
        if (!(await answers(socket))) await launch(execRoot, flags);
      } finally {
        unlinkSync(lock);
      }
    } else if (Date.now() > deadline) {
      throw new BerthError("unavailable", "the Berth daemon did not come up", {
        hint: `see ${join(execRoot, "daemon.log")}`,
      });
    } else {
      await new Promise((done) => setTimeout(done, STEP_MS));
    }
  }
}

function takeLock(path: string): boolean {
  try {
    const fd = openSync(path, "wx", 0o600);
    writeSync(fd, `${process.pid}`);
    closeSync(fd);
    return true;
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw error;
  }
  if (holderLives(path)) return false;
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  return false;
}

function holderLives(path: string): boolean {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    // An empty file: its holder is between making and filling it.
    return pid === 0 || process.kill(pid, 0);
  } catch (error) {
    return errnoOf(error) === "ENOENT" ? true : errnoOf(error) !== "ESRCH";
  }
}

/** Runs `berth daemon` detached; it says `ready` on its stdout, or ends with its error in the log. */
function launch(execRoot: string, flags: readonly string[]): Promise<void> {
  const logFile = join(execRoot, "daemon.log");
  const log = openSync(logFile, "a", 0o640);
  const rootFlag = execRoot === DEFAULTS.execRoot ? [] : ["--exec-root", execRoot];
  const [file = "", ...args] = selfCommand("daemon", "--idle-exit", String(IDLE_SECONDS), ...rootFlag, ...flags);
  const child = spawn(file, args, {
    cwd: dirname(logFile),
    detached: true,
    stdio: ["ignore", "pipe", log],
    env: { ...process.env, BERTH_READY: "stdout" },
  });
  closeSync(log);
  return new Promise((resolve, reject) => {
    const failed = (): void =>
      reject(
        new BerthError("unavailable", `the Berth daemon could not be started: ${lastLine(logFile)}`, {
          hint: `see ${logFile}`,
        }),
      );
    child.once("error", failed);
    child.once("exit", failed);
    child.stdout?.once("data", () => {
      child.removeAllListeners("exit");
      child.stdout?.destroy();
      child.unref();
      resolve();
    });
  });
}

function lastLine(path: string): string {
  return readFileSync(path, "utf8").trim().split("\n").at(-1) ?? "no message";
}
