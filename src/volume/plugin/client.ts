import { request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { BerthError, errnoOf, messageOf } from "../../spec/errors.ts";
import { findPlugin, type PluginAddress, type PluginHost, pluginNames } from "./discovery.ts";

/** How plugins are reached. */
export interface PluginOptions {
  dirs: readonly string[];
  /** How long an answer is waited for. */
  timeoutMs: number;
}

const CONTENT_TYPE = "application/vnd.docker.plugins.v1.2+json";
const MOST_BYTES = 8 << 20;
const VOLUME_DRIVER = "VolumeDriver";

/** The volume plugins of this host, each asked what it is at its first use (docs.docker.com, "Docker Plugin API"). */
export class Plugins {
  readonly #options: PluginOptions;
  readonly #known = new Map<string, Promise<PluginDriver>>();

  constructor(options: PluginOptions) {
    this.#options = options;
  }

  /** All that are there, whatever they do. */
  names(): string[] {
    return pluginNames(this.#options.dirs);
  }

  /** Throws `not-found` in Docker's words where there is no volume plugin of that name; `internal` where it does not answer. */
  async driver(name: string): Promise<PluginDriver> {
    const address = findPlugin(this.#options.dirs, name);
    if (!address) throw new BerthError("not-found", `plugin ${JSON.stringify(name)} not found`);
    const key = `${name} ${"socket" in address ? address.socket : `${address.host}:${address.port}`}`;
    const known = this.#known.get(key) ?? this.#activate(name, address);
    this.#known.set(key, known);
    try {
      return await known;
    } catch (error) {
      this.#known.delete(key);
      throw error;
    }
  }

  async #activate(name: string, address: PluginAddress): Promise<PluginDriver> {
    const driver = new PluginDriver(name, address, this.#options.timeoutMs);
    const { Implements: does } = await driver.ask("Plugin.Activate", undefined);
    if (!Array.isArray(does) || !does.includes(VOLUME_DRIVER))
      throw new BerthError("not-found", `plugin ${JSON.stringify(name)} does not implement ${VOLUME_DRIVER}`);
    await driver.learn();
    return driver;
  }
}

/** One volume plugin. */
export class PluginDriver {
  /** Whether its volumes are the same on all hosts. */
  scope: "local" | "global" = "local";

  constructor(
    readonly name: string,
    private readonly address: PluginAddress,
    private readonly timeoutMs: number,
  ) {}

  /** Calls a method of the volume protocol. Throws `internal`, which names the plugin, for what goes wrong and what it says is wrong. */
  call(method: string, body: object): Promise<Record<string, unknown>> {
    return this.ask(`${VOLUME_DRIVER}.${method}`, body);
  }

  /** Asks for its scope; older plugins know no such question. */
  async learn(): Promise<void> {
    try {
      const { Capabilities: found } = await this.call("Capabilities", {});
      this.scope = (found as { Scope?: unknown } | undefined)?.Scope === "global" ? "global" : "local";
    } catch {
      this.scope = "local";
    }
  }

  /** Any method of any protocol. */
  async ask(method: string, body: object | undefined): Promise<Record<string, unknown>> {
    const { status, text } = await this.#send(method, body === undefined ? "" : JSON.stringify(body));
    let answer: unknown;
    try {
      answer = JSON.parse(text.trim() || "{}");
    } catch (error) {
      if (status === 200) throw this.#error(method, `its answer is no JSON: ${messageOf(error)}`);
      throw new BerthError("internal", `${method}: ${text.trim().split("\n")[0]?.slice(0, 200) || `status ${status}`}`);
    }
    const known = (typeof answer === "object" && answer !== null ? answer : {}) as Record<string, unknown>;
    if (typeof known["Err"] === "string" && known["Err"] !== "")
      throw new BerthError("internal", `${method}: ${known["Err"].slice(0, 1000)}`);
    if (status !== 200) throw new BerthError("internal", `${method}: status ${status}`);
    return known;
  }

  #error(method: string, why: string): BerthError {
    return new BerthError("internal", `plugin ${JSON.stringify(this.name)}: ${method}: ${why}`, {
      hint: "look at the plugin's own log, or restart it",
    });
  }

  #send(method: string, body: string): Promise<{ status: number; text: string }> {
    const { address, timeoutMs } = this;
    const headers = { accept: CONTENT_TYPE, "content-type": CONTENT_TYPE, "content-length": Buffer.byteLength(body) };
    const options: RequestOptions = { method: "POST", path: `/${method}`, headers, agent: false };
    const signal = AbortSignal.timeout(timeoutMs);
    return new Promise((resolve, reject) => {
      const failed = (error: unknown): void =>
        reject(
          this.#error(
            method,
            signal.aborted ? `no answer within ${timeoutMs / 1000} s` : (reasonOf(error) ?? messageOf(error)),
          ),
        );
      const where = "socket" in address ? { socketPath: address.socket, host: "plugin" } : hostOf(address);
      const secure = "tls" in address && address.tls !== undefined;
      const request = (secure ? httpsRequest : httpRequest)({ ...options, ...where, signal }, (response) => {
        const parts: Buffer[] = [];
        let size = 0;
        response.on("data", (part: Buffer) => {
          size += part.length;
          parts.push(part);
          if (size > MOST_BYTES) request.destroy(new Error(`its answer is longer than ${MOST_BYTES} bytes`));
        });
        response.on("error", failed);
        response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }));
      });
      request.on("error", failed);
      signal.addEventListener("abort", () => failed(signal.reason), { once: true });
      request.end(body);
    });
  }
}

function hostOf({ host, port, tls }: PluginHost): object {
  return { host, port, ...(tls ? { ...tls, rejectUnauthorized: !tls.insecure } : {}) };
}

function reasonOf(error: unknown): string | undefined {
  const code = errnoOf(error);
  return code === "ECONNREFUSED" || code === "ENOENT" ? "nobody listens on its socket" : undefined;
}
