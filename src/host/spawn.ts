import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { BerthError, errnoOf } from "../spec/errors.ts";

/** What a finished program left. `code` is 128+n where a signal ended it. */
export interface RunOutcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** How to run a program. `input` goes to its stdin, which is /dev/null otherwise. */
export interface RunOptions {
  input?: string | Uint8Array;
  env?: Record<string, string>;
  cwd?: string;
  /** Kills the program with SIGKILL. */
  signal?: AbortSignal;
}

const SIGNAL_BASE = 128;

/** Runs a program to its end and collects its output. Throws `not-found` where there is no such program. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<RunOutcome> {
  const [file = "", ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      killSignal: "SIGKILL",
      ...(options.env ? { env: options.env } : {}),
      ...(options.cwd ? { cwd: options.cwd } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on("data", (b: Buffer) => out.push(b));
    child.stderr?.on("data", (b: Buffer) => err.push(b));
    child.on("error", (e) => reject(errnoOf(e) === "ENOENT" ? notFound(file, options.cwd) : e));
    child.on("close", (code, signal) => {
      const text = (parts: Buffer[]): string => Buffer.concat(parts).toString();
      resolve({
        code: signal ? SIGNAL_BASE + constants.signals[signal] : (code ?? SIGNAL_BASE),
        stdout: text(out),
        stderr: text(err),
      });
    });
    // A program that ends without reading its input is judged by its exit code, not by EPIPE.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(options.input);
  });
}

/** As `run`, but any exit code other than 0 throws `internal` with the last line of stderr. Returns stdout. */
export async function runOk(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code === 0) return stdout;
  const last = stderr.trim().split("\n").at(-1) || `exit code ${code}`;
  throw new BerthError("internal", `${argv[0]}: ${last}`);
}

/** The error for ENOENT of a spawn: the system's is the same for a program and for a working folder that is not there. */
export function notFound(file: string, cwd?: string): BerthError {
  if (cwd !== undefined && !existsSync(cwd)) return new BerthError("not-found", `${cwd}: no such folder`);
  return new BerthError("not-found", `${file}: not installed on this host`, {
    hint: `install the package that has ${file}`,
  });
}
