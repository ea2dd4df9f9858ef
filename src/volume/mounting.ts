import { lookup } from "node:dns/promises";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { dirname, join } from "node:path";
import { run } from "../host/spawn.ts";
import { BerthError, messageOf } from "../spec/errors.ts";

/** Options of the local driver that say what is mounted. */
export type DriverOptions = Record<string, string>;

/** Who has which volume, and the mounts that follow from it. One transition of a volume at a time. */
export class Mounting {
  readonly #users = new Map<string, Set<string>>();
  readonly #turns = new Map<string, Promise<void>>();

  /** `path` is the volume's folder. Mounts it there where `options` name a device and nobody had it. */
  hold(path: string, options: DriverOptions, user: string): Promise<void> {
    return this.#turn(path, async () => {
      const users = this.#users.get(path) ?? new Set();
      if (options["device"] !== undefined && !isMounted(path)) await mount(path, options);
      this.#users.set(path, users.add(user));
    });
  }

  /** Unmounts it after the last user. */
  release(path: string, user: string): Promise<void> {
    return this.#turn(path, async () => {
      const users = this.#users.get(path);
      users?.delete(user);
      if (users && users.size > 0) return;
      this.#users.delete(path);
      if (isMounted(path)) await unmount(path);
    });
  }

  async #turn(path: string, work: () => Promise<void>): Promise<void> {
    const before = this.#turns.get(path) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(work);
    this.#turns.set(path, mine);
    try {
      await mine;
    } finally {
      if (this.#turns.get(path) === mine) this.#turns.delete(path);
    }
  }
}

/** Something is mounted on exactly that folder (proc_pid_mountinfo(5), field 5). */
function isMounted(path: string): boolean {
  const escaped = path.replace(/[ \t\n\\]/g, octal);
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => line.split(" ")[4] === escaped);
}

/** A table of its own in place of arguments (fstab(5)): options may hold passwords, and arguments can be read by all. */
async function mount(path: string, options: DriverOptions): Promise<void> {
  const { type = "", device = "", o = "" } = options;
  const failed = (why: string): BerthError =>
    new BerthError("internal", `error while mounting volume '${path}': ${why}`);
  const data = await withAddress(o, failed);
  const table = join(dirname(path), "fstab");
  const fields = [device, path, type || "none", data || "defaults", "0", "0"];
  writeFileSync(table, `${fields.map((f) => f.replace(/[ \t\n\\#]/g, octal)).join(" ")}\n`, { mode: 0o600 });
  try {
    const { code, stderr } = await run(["mount", "--internal-only", "--no-mtab", "--fstab", table, "--target", path]);
    if (code !== 0) throw failed(`failed to mount local volume: mount ${device}:${path}: ${reason(stderr)}`);
  } finally {
    rmSync(table, { force: true });
  }
}

/** `addr` by name becomes an address: the kernel's NFS and CIFS look nothing up. */
async function withAddress(o: string, failed: (why: string) => BerthError): Promise<string> {
  const name = /(?:^|,)addr=([^,]*)/.exec(o)?.[1] ?? "";
  if (name === "" || isIP(name) !== 0) return o;
  try {
    const { address } = await lookup(name);
    return o.replace(`addr=${name}`, `addr=${address}`);
  } catch (error) {
    throw failed(`error resolving passed in network volume address: ${messageOf(error)}`);
  }
}

/** What mount(8) says, without its own name and the path. */
function reason(stderr: string): string {
  const [first = ""] = stderr.trim().split("\n");
  return first.replace(/^mount: ([^:]*: )?/, "").replace(/\.$/, "") || "it failed";
}

/** What still has it open keeps it alive, out of sight. */
async function unmount(path: string): Promise<void> {
  const { code } = await run(["umount", "--internal-only", "--no-mtab", path]);
  if (code !== 0) await run(["umount", "--internal-only", "--no-mtab", "--lazy", path]);
}

function octal(character: string): string {
  return `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`;
}
