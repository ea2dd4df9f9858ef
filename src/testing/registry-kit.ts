import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveHttp } from "../host/http-server.ts";
import { openRegistry, type Registry, type RegistryParts } from "../registry/server/registry.ts";
import { openFolderStorage } from "../registry/server/storage/folder.ts";
import type { ContentDigest, Storage } from "../registry/server/types.ts";
import { digestOf } from "../spec/digest.ts";
import { MediaType } from "../spec/oci.ts";

/** A registry of Berth's in a folder of its own, without a socket unless `listen` is called. */
export interface RegistryKit extends AsyncDisposable {
  registry: Registry;
  storage: Storage;
  root: string;
  /** A request to it; `path` behind `/v2/`. */
  ask(
    method: string,
    path: string,
    init?: { body?: string | Buffer; headers?: Record<string, string> },
  ): Promise<Response>;
  /** `host:port`. */
  listen(): string;
}

/** Opens one; `parts` besides the storage. */
export function registryKit(parts: Omit<Partial<RegistryParts>, "storage"> = {}): RegistryKit {
  const root = mkdtempSync(join(tmpdir(), "berth-registry-"));
  const storage = openFolderStorage(root);
  const registry = openRegistry({ storage, ...parts });
  const servers: { stop(ms: number): Promise<void> }[] = [];
  return {
    registry,
    storage,
    root,
    ask: (method, path, init = {}) => registry.answer(new Request(`http://registry/v2/${path}`, { method, ...init })),
    listen() {
      const server = serveHttp({ host: "127.0.0.1", port: 0, handle: (request) => registry.answer(request) });
      servers.push(server);
      return `127.0.0.1:${server.port}`;
    },
    async [Symbol.asyncDispose]() {
      for (const server of servers) await server.stop(0);
      await storage[Symbol.asyncDispose]();
      rmSync(root, { recursive: true });
    },
  };
}

/** The same kit, but its requests go over a real connection. */
export function overSocket(kit: RegistryKit): RegistryKit {
  const root = `http://${kit.listen()}/v2/`;
  return {
    ...kit,
    ask: (method, path, init = {}) => fetch(root + path, { method, redirect: "manual", ...init } as RequestInit),
  };
}

/** An image's parts, as they lie in a registry. */
export interface PushedImage {
  digest: ContentDigest;
  config: ContentDigest;
  layers: ContentDigest[];
}

/** Pushes a blob whole. Throws where the registry refuses. */
export async function pushBlob({ ask }: RegistryKit, repository: string, bytes: Uint8Array): Promise<ContentDigest> {
  const digest = digestOf(bytes);
  const answer = await ask("POST", `${repository}/blobs/uploads/?digest=${digest}`, { body: Buffer.from(bytes) });
  if (answer.status !== 201) throw new Error(`blob: ${answer.status} ${await answer.text()}`);
  return digest;
}

/** Pushes a manifest, whatever it is. Returns the answer. */
export function pushManifest(
  kit: RegistryKit,
  target: { repository: string; tag: string },
  manifest: object,
): Promise<Response> {
  const type = (manifest as { mediaType?: string }).mediaType ?? MediaType.manifest;
  const headers = { "Content-Type": type };
  return kit.ask("PUT", `${target.repository}/manifests/${target.tag}`, { body: JSON.stringify(manifest), headers });
}

/** Pushes an image of these layers; its config is told apart by `seed`. `more` goes into the manifest. */
export async function pushImage(
  kit: RegistryKit,
  target: { repository: string; tag: string },
  { layers, seed = "", more = {} }: { layers: string[]; seed?: string; more?: object },
): Promise<PushedImage> {
  const { repository } = target;
  const configBytes = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", seed, rootfs: { type: "layers", diff_ids: [] } }),
  );
  const config = await pushBlob(kit, repository, configBytes);
  const pushed: { digest: ContentDigest; size: number }[] = [];
  for (const layer of layers) {
    const bytes = Buffer.from(layer);
    pushed.push({ digest: await pushBlob(kit, repository, bytes), size: bytes.byteLength });
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.manifest,
    config: { mediaType: MediaType.config, digest: config, size: configBytes.byteLength },
    layers: pushed.map((layer) => ({ mediaType: MediaType.layer, ...layer })),
    ...more,
  };
  const answer = await pushManifest(kit, target, manifest);
  if (answer.status !== 201) throw new Error(`manifest: ${answer.status} ${await answer.text()}`);
  const digest = answer.headers.get("docker-content-digest") as ContentDigest;
  return { digest, config, layers: pushed.map((layer) => layer.digest) };
}
