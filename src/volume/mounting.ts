import { readFileSync } from "node:fs";
import { Device, type DriverOptions } from "./device.ts";

/** Below the ten seconds after which a start has to have said why it cannot. */
const TIMEOUT_MS = 8000;

/** Who has which volume, and the mounts that follow from it. One transition of a volume at a time; a device that hangs holds up its own volume alone. */
export class Mounting {
  readonly #users = new Map<string, Set<string>>();
  readonly #turns = new Map<string, Promise<void>>();
  readonly #holds = new Map<string, Promise<void>>();
  readonly #device: Device;
  #started = false;

  constructor(timeoutMs = TIMEOUT_MS) {
    this.#device = new Device(isMounted, timeoutMs);
  }

  /**
   * `path` is the volume's folder. Mounts it there where `options` name a device and nobody had it. Throws where the device does not answer; who
   * comes meanwhile is told the same at the same time.
   */
  async hold(path: string, options: DriverOptions, user: string): Promise<void> {
    while (this.#holds.has(path)) await this.#holds.get(path);
    const mine = this.#turn(path, async () => {
      const users = this.#users.get(path) ?? new Set();
      if (options["device"] !== undefined) await this.#device.mount(path, options, this.#started);
      this.#users.set(path, users.add(user));
    });
    this.#holds.set(path, mine);
    try {
      await mine;
    } finally {
      this.#holds.delete(path);
    }
  }

  /** All that run hold theirs. Until then what is mounted is taken as it is: a device that hangs is no reason for a daemon not to start. */
  started(): void {
    this.#started = true;
  }

  /** Unmounts it after the last user. */
  release(path: string, user: string): Promise<void> {
    return this.#turn(path, async () => {
      const users = this.#users.get(path);
      users?.delete(user);
      if (users && users.size > 0) return;
      this.#users.delete(path);
      if (isMounted(path)) await this.#device.unmount(path);
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

/** Something is mounted on exactly that folder (proc_pid_mountinfo(5), field 5). Asks the device nothing. */
function isMounted(path: string): boolean {
  const escaped = path.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`);
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => line.split(" ")[4] === escaped);
}
