import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** What a plugin was asked, in order: the method without its service, and the body. */
export interface PluginCall {
  method: string;
  body: Record<string, unknown>;
}

/** How a method misbehaves: it never answers, says an error, or answers these bytes with this status. */
export type Misbehaviour = "hang" | { error: string } | { status?: number; text: string };

/**
 * A volume plugin as Docker's protocol has it (docs.docker.com, "Docker volume plugins"): a real server on a unix socket, with a folder for each volume
 * below `root`. `misbehave` says which methods do not do what they should.
 */
export class VolumePlugin implements AsyncDisposable {
  readonly calls: PluginCall[] = [];
  readonly misbehave = new Map<string, Misbehaviour>();
  readonly #volumes = new Map<string, Record<string, string>>();
  readonly #server: ReturnType<typeof Bun.serve>;
  #told: () => void = () => undefined;

  constructor(
    readonly socket: string,
    readonly root: string,
  ) {
    mkdirSync(root, { recursive: true });
    for (const name of readdirSync(root)) this.#volumes.set(name, {});
    rmSync(socket, { force: true });
    this.#server = Bun.serve({ unix: socket, fetch: (request) => this.#answer(request) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop(true);
    rmSync(this.socket, { force: true });
  }

  /** Resolves when a method was asked. */
  async asked(method: string): Promise<void> {
    while (!this.calls.some((call) => call.method === method))
      await new Promise<void>((resolve) => {
        this.#told = resolve;
      });
  }

  async #answer(request: Request): Promise<Response> {
    const method = new URL(request.url).pathname.replace(/^\/(VolumeDriver\.)?/, "");
    const text = await request.text();
    const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
    this.calls.push({ method, body });
    this.#told();
    const wrong = this.misbehave.get(method);
    if (wrong === "hang") return new Promise(() => undefined);
    if (wrong && "error" in wrong) return json({ Err: wrong.error }, 500);
    if (wrong) return new Response(wrong.text, { status: wrong.status ?? 200 });
    return json(this.#do(method, body));
  }

  #do(method: string, body: Record<string, unknown>): object {
    const name = String(body["Name"] ?? "");
    const known = this.#volumes.has(name);
    const missing = { Err: `no volume ${name}` };
    const view = (of: string): object => ({
      Name: of,
      Mountpoint: join(this.root, of),
      CreatedAt: "2020-01-02T03:04:05Z",
    });
    switch (method) {
      case "Plugin.Activate":
        return { Implements: ["VolumeDriver"] };
      case "Capabilities":
        return { Capabilities: { Scope: "global" } };
      case "Create":
        this.#volumes.set(name, (body["Opts"] ?? {}) as Record<string, string>);
        mkdirSync(join(this.root, name), { recursive: true });
        return {};
      case "Remove":
        rmSync(join(this.root, name), { recursive: true, force: true });
        return this.#volumes.delete(name) ? {} : missing;
      case "Mount":
      case "Path":
        return known ? { Mountpoint: join(this.root, name) } : missing;
      case "Unmount":
        return known ? {} : missing;
      case "Get":
        return known ? { Volume: { ...view(name), Status: { options: this.#volumes.get(name) } } } : missing;
      case "List":
        return { Volumes: [...this.#volumes.keys()].map(view) };
      default:
        return { Err: `unknown method ${method}` };
    }
  }
}

function json(value: object, status = 200): Response {
  return new Response(JSON.stringify(value), {
    status,
    headers: { "content-type": "application/vnd.docker.plugins.v1.2+json" },
  });
}
