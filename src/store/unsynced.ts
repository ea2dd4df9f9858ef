import { linkSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Digest, isDigest } from "../spec/digest.ts";
import { errnoOf } from "../spec/errors.ts";
import type { Disk } from "./disk.ts";

/**
 * Which blobs have not surely reached the disk: for each a second name of its file, `<root>/<boot>/<hex>`, from before it can be seen until the disk has it. The journal of
 * a file system keeps that order, so a blob that is there after a crash of the host has its mark, or is whole.
 */
export class Unsynced {
  readonly #root: string;
  readonly #own: string;
  /** The last mark of each, by number: a sync that began before it says nothing of it. */
  readonly #last = new Map<string, number>();
  #marks = 0;

  constructor(
    root: string,
    private readonly disk: Disk,
  ) {
    this.#root = root;
    this.#own = join(root, disk.boot);
    mkdirSync(this.#own, { recursive: true, mode: 0o700 });
    for (const hex of readdirSync(this.#own)) this.#forgetLater(hex);
  }

  /** Marks the finished file at `path`, which is about to become the blob `hex`. */
  mark(hex: string, path: string): void {
    try {
      linkSync(path, join(this.#own, hex));
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
    }
    this.#forgetLater(hex);
  }

  /** Of a blob that is on the disk, or gone. */
  forget(hex: string): void {
    this.#last.delete(hex);
    rmSync(join(this.#own, hex), { force: true });
  }

  /** Those of earlier boots. */
  earlier(): Digest[] {
    return this.#folders().flatMap((boot) =>
      readdirSync(join(this.#root, boot))
        .map((hex) => `sha256:${hex}`)
        .filter(isDigest),
    );
  }

  /** All those have been looked at. */
  forgetEarlier(): void {
    for (const boot of this.#folders()) rmSync(join(this.#root, boot), { recursive: true });
  }

  #forgetLater(hex: string): void {
    const mark = ++this.#marks;
    this.#last.set(hex, mark);
    this.disk.later(() => {
      if (this.#last.get(hex) === mark) this.forget(hex);
    });
  }

  #folders(): string[] {
    return readdirSync(this.#root).filter((boot) => boot !== this.disk.boot);
  }
}
