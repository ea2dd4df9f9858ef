import { spawn } from "node:child_process";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { selfCommand } from "../host/self.ts";
import { run } from "../host/spawn.ts";
import { BerthError, errnoOf, isKind, messageOf } from "../spec/errors.ts";
import { parseMountOptions, withoutPasswords } from "./mount-options.ts";
import type { MountJob } from "./mount-worker.ts";

/** Options of the local driver that say what is mounted. */
export type DriverOptions = Record<string, string>;

/** What a killed worker has to be gone; one that is not is left to the kernel. */
const KILL_MS = 1000;
/** What an unmount may wait for a server to take what is not written yet. */
const UNMOUNT_MS = 3000;
const SECOND = 1000;
/** Without a look at what is mounted, which may hang. */
const UMOUNT = ["umount", "--internal-only", "--no-mtab", "--no-canonicalize"];
const NO_ADDRESS: Record<string, string> = { ENOTFOUND: "no such host", EAI_AGAIN: "no name server answers" };
const BY_ADDRESS = ["nfs", "cifs"];

/** Mounts devices on volumes' folders, each within a time: whatever may hang does so in a process that is killed then. */
export class Device {
  /** Folders whose worker the kernel has not let go of yet. */
  readonly #stuck = new Set<string>();

  constructor(
    readonly isMounted: (path: string) => boolean,
    readonly timeoutMs: number,
  ) {}

  /** Throws `internal` in Docker's words where it cannot be mounted, and nothing is mounted then. With `ask`, one that is mounted has to answer, too. */
  async mount(path: string, options: DriverOptions, ask: boolean): Promise<void> {
    const failed = (why: string): BerthError =>
      new BerthError("internal", `error while mounting volume '${path}': ${why}`);
    const deadline = Date.now() + this.timeoutMs;
    const mounted = this.isMounted(path);
    if (mounted && !ask) return;
    if (!mounted && !options["device"]) throw failed("missing device in volume options");
    const job = mounted ? jobOf(path, options) : await this.#addressed(jobOf(path, options), deadline, failed);
    const why = mounted ? undefined : await this.#work(job, deadline);
    if (why === undefined && (await answers(path, deadline))) return;
    if (!mounted) await this.#undo(path);
    throw failed(`failed to mount local volume: ${told(job)}: ${why ?? this.#late()}`);
  }

  /** What still has it open keeps it alive, out of sight; so does a device that does not answer. */
  async unmount(path: string): Promise<void> {
    const code = await within(UNMOUNT_MS, (signal) => run([...UMOUNT, path], { signal }).then((r) => r.code));
    if (code !== 0) await within(UNMOUNT_MS, (signal) => run([...UMOUNT, "--lazy", path], { signal }));
  }

  #late(): string {
    return `no answer within ${this.timeoutMs / SECOND} seconds`;
  }

  /** Why it could not be mounted. */
  async #work(job: MountJob, deadline: number): Promise<string | undefined> {
    const { target } = job;
    if (this.#stuck.has(target)) return "an earlier attempt hangs in the kernel still";
    const worker = startWorker(job);
    this.#stuck.add(target);
    const why = await before(deadline, worker.ended);
    if (why !== undefined) this.#stuck.delete(target);
    if (why !== undefined) return why.ok ? undefined : why.words;
    worker.kill();
    const undone = worker.ended.then(() => this.#undo(target)).finally(() => this.#stuck.delete(target));
    await before(Date.now() + KILL_MS, undone);
    return this.#late();
  }

  /** Takes a mount away that nobody has used yet, without asking the device. */
  async #undo(path: string): Promise<void> {
    if (this.isMounted(path)) await within(KILL_MS, (signal) => run([...UMOUNT, "--lazy", path], { signal }));
  }

  /** Names become addresses: the kernel's NFS and CIFS look nothing up. */
  async #addressed(job: MountJob, deadline: number, failed: (why: string) => BerthError): Promise<MountJob> {
    if (!BY_ADDRESS.includes(job.type)) return job;
    const address = async (name: string): Promise<string> => {
      try {
        const found = await before(deadline, lookup(name, { all: true }));
        const best = found?.find(({ family }) => family === 4) ?? found?.[0];
        if (best) return best.address;
        throw new Error(this.#late());
      } catch (error) {
        const why = NO_ADDRESS[errnoOf(error) ?? ""] ?? messageOf(error);
        throw failed(`error resolving passed in network volume address: lookup ${name}: ${why}`);
      }
    };
    const name = /(?:^|,)addr=([^,]*)/.exec(job.data)?.[1] ?? "";
    if (name !== "")
      return isIP(name) ? job : { ...job, data: job.data.replace(`addr=${name}`, `addr=${await address(name)}`) };
    const [, host = "", share = ""] = /^\/\/([^/]+)(.*)$/s.exec(job.device) ?? [];
    if (job.type !== "cifs" || host === "" || isIP(host)) return job;
    return { ...job, device: `//${await address(host)}${share}` };
  }
}

function jobOf(target: string, options: DriverOptions): MountJob {
  const { type = "", device = "", o = "" } = options;
  return { device, target, type, parent: process.pid, ...parseMountOptions(o) };
}

/** Docker's words for a mount that failed. */
function told({ device, target, flags, data }: MountJob): string {
  const facts = [`mount ${device}:${target}`];
  if (flags !== 0) facts.push(`flags: 0x${flags.toString(16)}`);
  if (data !== "") facts.push(`data: ${withoutPasswords(data)}`);
  return facts.join(", ");
}

/** The server behind it says how full it is. */
async function answers(path: string, deadline: number): Promise<boolean> {
  const left = Math.max(1, deadline - Date.now());
  return (await within(left, (signal) => run(["stat", "-f", "--", `${path}/.`], { signal }))) !== undefined;
}

interface Worker {
  ended: Promise<{ ok: boolean; words: string }>;
  kill: () => void;
}

function startWorker(job: MountJob): Worker {
  const [file = "", ...args] = selfCommand("worker", "mount");
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "ignore"] });
  let words = "";
  child.stdout.on("data", (bytes: Buffer) => {
    words += bytes.toString();
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(JSON.stringify(job));
  const ended = new Promise<{ ok: boolean; words: string }>((resolve) => {
    child.on("error", (error) => resolve({ ok: false, words: messageOf(error) }));
    child.on("close", (code) => resolve({ ok: code === 0, words: words || "it failed" }));
  });
  return { ended, kill: () => child.kill("SIGKILL") };
}

/** Undefined where it took longer, and was told to stop. */
async function within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
  const signal = AbortSignal.timeout(ms);
  try {
    return await work(signal);
  } catch (error) {
    if (signal.aborted && !isKind(error, "not-found")) return undefined;
    throw error;
  }
}

/** Undefined where it takes longer; nobody hears how it ends then. */
async function before<T>(deadline: number, work: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, Math.max(1, deadline - Date.now()), undefined);
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
