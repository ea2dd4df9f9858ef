import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { configFor, digestOf } from "../image/fixture.ts";
import type { Digest } from "../spec/digest.ts";
import { MediaType } from "../spec/oci.ts";
import type { TestDaemon } from "./daemon.ts";

/** Takes connections in a daemon's network and passes them on to a unix socket, which is in none. */
const FORWARD = `const { connect, createServer } = require("node:net");
const [port, path] = process.argv.slice(-2);
createServer((a) => {
  const b = connect(path);
  for (const [x, y] of [[a, b], [b, a]]) x.on("error", () => y.destroy()).on("close", () => y.destroy()).pipe(y);
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));`;

/** One transfer that stands still: `begun` when half of it has gone, `ended` when the other side has hung up. */
export interface HeldTransfer {
  begun: Promise<void>;
  ended: Promise<void>;
  /** Lets it, and all others of that digest, come to their end. */
  release(): void;
  /** Cuts it off. */
  cut(): void;
}

interface Hold extends HeldTransfer {
  /** How many bytes of the blob go before; half of it where it is not said. */
  at: number | undefined;
  responses: Set<ServerResponse>;
  begin: () => void;
  end: () => void;
  released: Promise<void>;
}

/**
 * A registry (OCI distribution-spec) for a test daemon, in this process: it has the images that a test puts in, takes what is pushed, and stands still in
 * the middle of a blob where it is told to.
 */
export class GatedRegistry implements AsyncDisposable {
  /** Requests for blobs that were given or taken whole, as `GET sha256:…`. */
  readonly whole: string[] = [];
  /** Each GET of a blob: which, from which byte on, and how many it was given. */
  readonly given: { digest: Digest; from: number; bytes: number }[] = [];
  readonly #blobs = new Map<Digest, Buffer>();
  readonly #manifests = new Map<string, Buffer>();
  readonly #holds = new Map<string, Hold>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  #forwarder: ReturnType<typeof spawn> | undefined;

  /** Serves on 127.0.0.1 in the daemon's network. */
  async serve(daemon: TestDaemon, port: number): Promise<void> {
    const path = join(daemon.root, `registry-${port}.sock`);
    await new Promise<void>((resolve) => this.#server.listen(path, resolve));
    const [file = "", ...args] = daemon.inNet(process.execPath, "-e", FORWARD, String(port), path);
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#forwarder = child;
    await once(child.stdout, "data");
  }

  /** Puts an image in, as `repository:tag`, of these layers (tars). Returns the layers' digests and the manifest's. */
  put(name: string, ...layers: Buffer[]): { layers: Digest[]; manifest: Digest } {
    const blob = (mediaType: string, bytes: Buffer): { mediaType: string; digest: Digest; size: number } => {
      this.#blobs.set(digestOf(bytes), bytes);
      return { mediaType, digest: digestOf(bytes), size: bytes.length };
    };
    const config = blob(MediaType.config, Buffer.from(configFor(layers, { config: { Cmd: ["sh"] } })));
    const parts = layers.map((layer) => blob(MediaType.layer, layer));
    const manifest = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MediaType.manifest, config, layers: parts }),
    );
    this.#manifests.set(name, manifest);
    return { layers: parts.map((part) => part.digest), manifest: digestOf(manifest) };
  }

  /** From now on that blob stands still at byte `at`, or in its middle, when it is asked for; "upload": whatever is sent is not answered. */
  hold(what: Digest | "upload", at?: number): HeldTransfer {
    const [begun, ended, released] = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
    if (!begun || !ended || !released) throw new Error("unreachable");
    const release = (): void => {
      this.#holds.delete(what);
      released.resolve();
    };
    const responses = new Set<ServerResponse>();
    const cut = (): void => {
      for (const response of responses) response.destroy();
    };
    const hold = { begun: begun.promise, ended: ended.promise, released: released.promise, release, cut };
    this.#holds.set(what, { ...hold, at, responses, begin: begun.resolve, end: ended.resolve });
    return hold;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#forwarder;
    if (child && child.exitCode === null) {
      const gone = once(child, "exit");
      child.kill();
      await gone;
    }
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "" } = request;
    const [, name = "", kind = "", rest = ""] = /^\/v2\/(.+?)\/(manifests|blobs)\/([^?]*)/.exec(url) ?? [];
    if (kind === "") return void response.end("{}");
    if (kind === "manifests") return this.#manifest(`${name}:${rest}`, request, response);
    if (method === "GET" || method === "HEAD") return this.#blob(rest as Digest, request, response);
    if (method === "PATCH") await this.#take(request, response);
    const status = { POST: 202, PATCH: 202, PUT: 201 }[method] ?? 404;
    response.writeHead(status, { Location: `/v2/${name}/blobs/uploads/1`, "Content-Length": 0 }).end();
  }

  #manifest(name: string, request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const bytes = this.#manifests.get(name);
    if (request.method === "PUT") response.writeHead(201).end();
    else if (!bytes)
      response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
    else response.writeHead(200, { "Content-Type": MediaType.manifest, "Content-Length": bytes.length }).end(bytes);
  }

  async #blob(digest: Digest, { method, headers }: IncomingMessage, response: ServerResponse): Promise<void> {
    const bytes = this.#blobs.get(digest);
    if (!bytes) return void response.writeHead(404, { "Content-Length": 0 }).end();
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
    const range = from > 0 ? { "Content-Range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {};
    response.writeHead(from > 0 ? 206 : 200, { "Content-Length": bytes.length - from, ...range });
    if (method === "HEAD") return void response.end();
    const given = { digest, from, bytes: 0 };
    this.given.push(given);
    const hold = this.#holds.get(digest);
    const stop = hold ? Math.max(from, hold.at ?? bytes.length >> 1) : from;
    if (hold) {
      response.once("close", hold.end);
      hold.responses.add(response);
      response.write(bytes.subarray(from, stop));
      given.bytes = stop - from;
      hold.begin();
      await hold.released;
    }
    if (response.destroyed) return;
    this.whole.push(`GET ${digest}`);
    given.bytes = bytes.length - from;
    response.end(bytes.subarray(stop));
  }

  /** An upload; a held one is read and not answered. */
  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const hold = this.#holds.get("upload");
    const ended = new Promise((resolve) => request.once("close", resolve).once("end", resolve).once("error", resolve));
    if (hold) {
      response.once("close", hold.end);
      request.once("data", hold.begin);
    }
    request.resume();
    await Promise.all([ended, hold?.released]);
  }
}
