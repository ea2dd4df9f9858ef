import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HttpServer, serveHttp } from "../host/http-server.ts";
import { configFor } from "../image/fixture.ts";
import { openRegistry, type Registry } from "../registry/server/registry.ts";
import { openFolderStorage } from "../registry/server/storage/folder.ts";
import type { Storage } from "../registry/server/types.ts";
import { type Digest, digestOf } from "../spec/digest.ts";
import { type Descriptor, MediaType, type Platform } from "../spec/oci.ts";

/** Answers in the registry's place, or undefined: the registry does. */
export type Intercept = (request: Request, path: string) => Response | undefined | Promise<Response | undefined>;

/** Berth's own registry on 127.0.0.1, over a folder of its own that goes with it, and what tests put into it. */
export class LocalRegistry implements AsyncDisposable {
  /** Requests so far: `GET /v2/app/manifests/1`. */
  readonly seen: string[] = [];
  intercept: Intercept = () => undefined;

  private constructor(
    private readonly folder: string,
    private readonly storage: Storage,
    private readonly registry: Registry,
    private readonly server: HttpServer,
  ) {}

  static async start(): Promise<LocalRegistry> {
    const folder = mkdtempSync(join(tmpdir(), "berth-registry."));
    const storage = openFolderStorage(folder);
    const registry = openRegistry({ storage });
    const server = serveHttp({
      host: "127.0.0.1",
      port: 0,
      handle: async (request) => {
        const { pathname, search } = new URL(request.url);
        self.seen.push(`${request.method} ${pathname}${search}`);
        return (await self.intercept(request, pathname)) ?? registry.answer(request);
      },
    });
    const self: LocalRegistry = new LocalRegistry(folder, storage, registry, server);
    return self;
  }

  /** `127.0.0.1:port`. */
  get host(): string {
    return `127.0.0.1:${this.server.port}`;
  }

  /** One request past the intercept. */
  async send(method: string, path: string, body?: Uint8Array, type = "application/octet-stream"): Promise<Response> {
    const url = `http://${this.host}${path}`;
    const init = body ? { body: new Uint8Array(body), headers: { "Content-Type": type } } : {};
    return this.registry.answer(new Request(url, { method, ...init }));
  }

  async putBlob(repository: string, bytes: Buffer, mediaType: string): Promise<Descriptor> {
    const digest = digestOf(bytes);
    const done = await this.send("POST", `/v2/${repository}/blobs/uploads/?digest=${digest}`, bytes);
    if (done.status !== 201) throw new Error(`blob: ${done.status} ${await done.text()}`);
    return { mediaType, digest, size: bytes.length };
  }

  async putManifest(repository: string, target: string, content: { mediaType: string }): Promise<Descriptor> {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...content }));
    const digest = digestOf(bytes);
    const path = `/v2/${repository}/manifests/${target || digest}`;
    const done = await this.send("PUT", path, bytes, content.mediaType);
    if (done.status !== 201) throw new Error(`manifest: ${done.status} ${await done.text()}`);
    return { mediaType: content.mediaType, digest, size: bytes.length };
  }

  /** A container image of these layers; without a tag by its digest alone. */
  async putImage(
    repository: string,
    tag: string,
    { layers, config = {} }: { layers: Buffer[]; config?: object },
  ): Promise<Descriptor> {
    const content = Buffer.from(configFor(layers, config));
    const mediaType = MediaType.manifest;
    const parts = [];
    for (const layer of layers) parts.push(await this.putBlob(repository, layer, MediaType.layer));
    const own = await this.putBlob(repository, content, MediaType.config);
    return this.putManifest(repository, tag, { mediaType, config: own, layers: parts } as { mediaType: string });
  }

  /** An index of one image for each platform. */
  async putIndex(repository: string, tag: string, platforms: Platform[], layers: Buffer[]): Promise<Descriptor> {
    const manifests = [];
    for (const platform of platforms) {
      const image = await this.putImage(repository, "", { layers, config: { ...platform } });
      manifests.push({ ...image, platform });
    }
    return this.putManifest(repository, tag, { mediaType: MediaType.index, manifests } as { mediaType: string });
  }

  /** The bytes and digest that a name stands for; undefined where there is none. */
  async manifest(repository: string, target: string): Promise<{ digest: Digest; bytes: Buffer } | undefined> {
    const answer = await this.send("GET", `/v2/${repository}/manifests/${target}`);
    if (answer.status !== 200) return undefined;
    const bytes = Buffer.from(await answer.arrayBuffer());
    return { digest: digestOf(bytes), bytes };
  }

  async blob(repository: string, digest: string): Promise<Buffer | undefined> {
    const answer = await this.send("GET", `/v2/${repository}/blobs/${digest}`);
    return answer.status === 200 ? Buffer.from(await answer.arrayBuffer()) : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop(0);
    await this.storage[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
