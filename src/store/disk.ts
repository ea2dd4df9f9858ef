import { readFileSync } from "node:fs";
import { runOk } from "../host/spawn.ts";
import { SharedSync } from "./shared-sync.ts";

/** Long enough for one sync to bring what a whole pull has written, in milliseconds. */
const SOON_MS = 1000;
/** After a sync that failed. */
const AGAIN_MS = 30_000;

/**
 * The file system of the data root, which gets what was written some time after it was written. A kill of the daemon loses nothing of that; a crash of the host may. So
 * content is used at once and marked with `boot` until it has reached the disk: a mark of an earlier boot tells the next start what has to be looked at.
 */
export interface Disk {
  /** The boot of the kernel that runs. */
  readonly boot: string;
  /** Calls `then` when all that was written before this call is on the disk: soon, and not at all if the daemon is killed before. */
  later(then: () => void): void;
  /** Brings everything there now, and makes the calls that wait for it. Throws what the sync failed with. */
  flush(): Promise<void>;
}

/** How a disk is reached; tests have their own. */
export interface DiskOptions {
  boot?: string;
  /** Brings all that was written before the call to the disk. */
  sync?: () => Promise<void>;
  /** When a sync begins by itself, in milliseconds after the first write. */
  soonMs?: number;
  warn?: (line: string) => void;
}

/** The disk below `root`. */
export function openDisk(root: string, options: DiskOptions = {}): Disk {
  const boot = options.boot ?? readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  // syncfs in a process of its own: it may take long, and the daemon has other things to do.
  const sync = options.sync ?? (() => runOk(["sync", "-f", root]).then(() => undefined));
  const { soonMs = SOON_MS, warn = () => undefined } = options;
  return new LateDisk(boot, { sync: new SharedSync(sync), soonMs, warn });
}

class LateDisk implements Disk {
  #waiting: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Under way. */
  #syncs = 0;

  constructor(
    readonly boot: string,
    private readonly parts: { sync: SharedSync; soonMs: number; warn: (line: string) => void },
  ) {}

  later(then: () => void): void {
    this.#waiting.push(then);
    this.#in(this.parts.soonMs);
  }

  async flush(): Promise<void> {
    const waiting = this.#waiting.splice(0);
    // Nothing was written since the last sync that has ended.
    if (waiting.length === 0 && this.#syncs === 0) return;
    this.#syncs += 1;
    try {
      await this.parts.sync.flush();
    } catch (error) {
      this.#waiting.unshift(...waiting);
      this.#in(AGAIN_MS);
      throw error;
    } finally {
      this.#syncs -= 1;
    }
    for (const then of waiting) then();
  }

  #in(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#waiting.length === 0) return;
      this.flush().catch((error: unknown) => this.parts.warn(`the data root cannot be synced: ${String(error)}`));
    }, ms).unref();
  }
}
