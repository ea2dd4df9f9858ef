import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { BerthError, fromErrno } from "../../../spec/errors.ts";
import type { Workshop } from "./recipe.ts";

/** How a program runs in a workshop. */
export interface ProgramOptions {
  env?: Record<string, string>;
  /** Without any network but its own loopback. */
  offline?: boolean;
  /** How lines begin that say what went wrong: what follows on the first one is told. Without such a line the last one is. */
  complaint?: RegExp;
  /** What errors call it, where a shell begins it. */
  name?: string;
}

const SIGNAL_BASE = 128;

/** Throws `not-found`, with the package that has it, where a program is not installed on this host. */
export function requireProgram(program: string, packageName = program): void {
  if ((process.env["PATH"] ?? "").split(":").some((dir) => existsSync(`${dir}/${program}`))) return;
  throw new BerthError("not-found", `bootstrap: ${program} is not installed on this host`, {
    hint: `apt-get install ${packageName}`,
  });
}

/**
 * Runs a program in mount, pid, ipc and uts namespaces of its own: when it ends, is cancelled, or the daemon is killed, all that it started is killed with it, and no
 * mount is left on the host. Yields its standard output; its standard error is said, line by line. Throws `unavailable` in the program's words where
 * it fails, `no-space` where the disk is full.
 */
export async function* streamProgram(
  shop: Workshop,
  argv: readonly string[],
  options: ProgramOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const [program = ""] = argv;
  const child = start(shop, argv, options);
  const exited = exitOf(child);
  const kill = (): void => void child.kill("SIGKILL");
  shop.signal.addEventListener("abort", kill);
  const said = new Complaints(options.complaint);
  try {
    if (shop.signal.aborted) kill();
    const { stdout, stderr } = child as ChildProcess & { stdout: Readable; stderr: Readable };
    createInterface({ input: stderr }).on("line", (line) => {
      said.add(line);
      shop.say(line);
    });
    for await (const chunk of stdout) yield chunk as Uint8Array;
    const code = await exited;
    shop.signal.throwIfAborted();
    if (code !== 0) throw said.error(options.name ?? program, code);
  } finally {
    shop.signal.removeEventListener("abort", kill);
    kill();
    await exited.catch(() => undefined);
  }
}

/** As `streamProgram`, for a program whose standard output is for people too. */
export async function runProgram(shop: Workshop, argv: readonly string[], options: ProgramOptions = {}): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of streamProgram(shop, argv, options)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) shop.say(line);
  }
  if (rest !== "") shop.say(rest);
}

function start(shop: Workshop, argv: readonly string[], options: ProgramOptions): ChildProcess {
  // The daemon's death kills unshare, and unshare's kills the first process of the namespace, which no other one there outlives.
  const own = [
    "--mount",
    "--propagation",
    "private",
    "--pid",
    "--ipc",
    "--uts",
    "--fork",
    "--kill-child",
    "--mount-proc",
  ];
  const alone = options.offline ? ["--net"] : [];
  return spawn("setpriv", ["--pdeathsig", "KILL", "unshare", ...own, ...alone, "--", ...argv], {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: shop.dir,
    env: { ...process.env, SOURCE_DATE_EPOCH: String(shop.epoch), TMPDIR: shop.dir, LC_ALL: "C.UTF-8", ...options.env },
  });
}

function exitOf(child: ChildProcess): Promise<number> {
  const exited = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? SIGNAL_BASE));
  });
  exited.catch(() => undefined); // Told to whoever reads the output.
  return exited;
}

/** Of all that a program says, the one line that is told when it fails. */
class Complaints {
  #first = "";
  #last = "";
  #full = false;
  readonly #pattern: RegExp | undefined;

  constructor(pattern: RegExp | undefined) {
    this.#pattern = pattern;
  }

  add(line: string): void {
    if (line.trim() !== "") this.#last = line.trim();
    if (this.#first === "" && this.#pattern?.test(line)) this.#first = line.replace(this.#pattern, "").trim();
    if (/No space left on device|Disk quota exceeded/i.test(line)) this.#full = true;
  }

  error(program: string, code: number): BerthError {
    if (this.#full) return fromErrno(Object.assign(new Error("full"), { code: "ENOSPC" }), `bootstrap: ${program}`);
    const line = this.#first || this.#last || `exit code ${code}`;
    return new BerthError("unavailable", `bootstrap: ${program}: ${line}`);
  }
}
