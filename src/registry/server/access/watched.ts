import { type BigIntStats, readFileSync, statSync } from "node:fs";
import { BerthError, fromErrno, messageOf } from "../../../spec/errors.ts";

/** More would be no file of ours. */
const MOST_BYTES = 16 << 20;

/**
 * What a file says, read again when the file is another: written to, or replaced. A new version that cannot be read, or says nothing sound, is told to `log` once, and the
 * last sound one stays. Throws when it is opened, where the first is not sound.
 */
export class Watched<T> {
  #seen: string;
  #value: T;

  constructor(
    readonly path: string,
    private readonly parse: (text: string) => T,
    private readonly log: (line: string) => void,
  ) {
    this.#seen = this.#signature();
    this.#value = this.#read();
  }

  get value(): T {
    const now = this.#signature();
    if (now === this.#seen) return this.#value;
    this.#seen = now;
    try {
      this.#value = this.#read();
      this.log(`${this.path}: read again`);
    } catch (error) {
      this.log(`${messageOf(error)}; what was there before still counts`);
    }
    return this.#value;
  }

  #read(): T {
    let text: string;
    try {
      text = readFileSync(this.path, "utf8");
    } catch (error) {
      throw fromErrno(error, this.path);
    }
    if (text.length > MOST_BYTES) throw new BerthError("invalid-argument", `${this.path}: larger than 16 MiB`);
    return this.parse(text);
  }

  #signature(): string {
    let stat: BigIntStats | undefined;
    try {
      stat = statSync(this.path, { bigint: true, throwIfNoEntry: false });
    } catch (error) {
      return messageOf(error);
    }
    return stat ? `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}` : "missing";
  }
}
