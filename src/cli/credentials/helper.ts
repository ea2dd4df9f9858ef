import { spawn } from "node:child_process";
import { errnoOf } from "../../spec/errors.ts";

/** What a credential helper keeps. A `Username` of `<token>` makes the secret an identity token. */
export interface HelperEntry {
  ServerURL: string;
  Username: string;
  Secret: string;
}

const NOT_FOUND = "credentials not found in native keychain";
/** A helper that says more than this is none. */
const MAX_OUTPUT = 1024 * 1024;

/**
 * A program `docker-credential-NAME` in $PATH (docker-credential-helpers, "Development"): a verb as its argument, the rest by standard
 * input, so that no secret is ever among the arguments.
 */
export class CredentialHelper {
  constructor(
    readonly name: string,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  /** Undefined where it knows nothing of the server. */
  async get(server: string): Promise<HelperEntry | undefined> {
    const { code, out } = await this.#ask("get", server);
    if (code !== 0 && out.trim() === NOT_FOUND) return undefined;
    if (code !== 0) throw new Error(`error getting credentials - err: exit status ${code}, out: \`${out.trim()}\``);
    const entry = JSON.parse(out) as Partial<HelperEntry>;
    return { ServerURL: entry.ServerURL || server, Username: entry.Username ?? "", Secret: entry.Secret ?? "" };
  }

  async store(entry: HelperEntry): Promise<void> {
    const { code, out } = await this.#ask("store", JSON.stringify(entry));
    if (code !== 0) throw new Error(`error storing credentials - err: exit status ${code}, out: \`${out.trim()}\``);
  }

  async erase(server: string): Promise<void> {
    const { code, out } = await this.#ask("erase", server);
    if (code !== 0) throw new Error(`error erasing credentials - err: exit status ${code}, out: \`${out.trim()}\``);
  }

  /** User names by server. */
  async list(): Promise<Record<string, string>> {
    const { code, out } = await this.#ask("list", "unused");
    if (code !== 0) throw new Error(`error listing credentials - err: exit status ${code}, out: \`${out.trim()}\``);
    return JSON.parse(out) as Record<string, string>;
  }

  #ask(verb: string, input: string): Promise<{ code: number; out: string }> {
    const program = `docker-credential-${this.name}`;
    return new Promise((resolve, reject) => {
      const doing = { get: "getting", store: "storing", erase: "erasing", list: "listing" }[verb];
      const missing = `error ${doing} credentials - err: exec: "${program}": executable file not found in $PATH, out: \`\``;
      // A name from a file: it must not lead elsewhere.
      if (!/^[\w.-]+$/.test(this.name)) return reject(new Error(missing));
      const child = spawn(program, [verb], { env: this.env, stdio: ["pipe", "pipe", "inherit"] });
      let out = "";
      child.stdout.on("data", (chunk: Buffer) => {
        if (out.length < MAX_OUTPUT) out += chunk.toString();
      });
      child.on("error", (error) => reject(errnoOf(error) === "ENOENT" ? new Error(missing) : error));
      child.on("close", (code) => resolve({ code: code ?? 1, out }));
      // One that ends without reading has its say by its exit code.
      child.stdin.on("error", () => undefined);
      child.stdin.end(input);
    });
  }
}
