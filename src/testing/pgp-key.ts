import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, runOk } from "../host/spawn.ts";

/** An OpenPGP key of gpg's own making, in a home of its own that goes with it. */
export class PgpKey implements AsyncDisposable {
  readonly home = mkdtempSync("/var/tmp/berth-gpg.");
  /** ASCII-armored. */
  publicKey = "";
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /** Makes one (RSA, 2048 bits). */
  static async make(name: string): Promise<PgpKey> {
    const key = new PgpKey(name);
    await key.gpg("--quick-gen-key", name, "rsa2048", "sign", "never");
    key.publicKey = await key.gpg("--armor", "--export", name);
    return key;
  }

  /** The text in a signed envelope. */
  clearSign(text: string): Promise<string> {
    return this.gpg("--clearsign", this.#input(text));
  }

  /** An armored detached signature of the text. */
  async detachSign(text: string): Promise<string> {
    return this.gpg("--armor", "--detach-sign", this.#input(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run(["gpgconf", "--homedir", this.home, "--kill", "all"]);
    rmSync(this.home, { recursive: true, force: true });
  }

  #input(text: string): string {
    const path = join(this.home, "input");
    writeFileSync(path, text);
    return path;
  }

  private gpg(...args: string[]): Promise<string> {
    const env = { PATH: process.env["PATH"] ?? "", GNUPGHOME: this.home };
    const quiet = ["--quiet", "--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", "", "--output", "-"];
    return runOk(["gpg", ...quiet, ...args], { env });
  }
}
