import { closeSync, existsSync, openSync, rmSync } from "node:fs";
import { fallocate } from "../../../host/sys.ts";

/** As much as there is room for, in bytes: SQLite writes before it frees. */
const SIZES = [4 * 1024 * 1024, 256 * 1024];

/** Space that is held back for the way out of a full disk: what removes may have it. A file of no content; a kill leaves it there or not. */
export class Reserve {
  constructor(private readonly path: string) {}

  /** Takes it, where it is not there and there is room. */
  fill(): void {
    if (existsSync(this.path)) return;
    for (const size of SIZES) if (this.#take(size)) return;
  }

  /** Gives it up. False where there was none. */
  release(): boolean {
    if (!existsSync(this.path)) return false;
    rmSync(this.path, { force: true });
    return true;
  }

  #take(size: number): boolean {
    let fd: number | undefined;
    try {
      fd = openSync(this.path, "wx", 0o600);
      fallocate(fd, 0, 0, size);
      return true;
    } catch {
      rmSync(this.path, { force: true }); // No room, or a file system that cannot: then there is none.
      return false;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }
}
