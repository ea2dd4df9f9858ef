import { setTimeout as delay } from "node:timers/promises";
import { type HttpServer, serveHttp } from "../../host/http-server.ts";
import { messageOf } from "../../spec/errors.ts";
import { openGate } from "./access/gate.ts";
import { openTls, ownFolder, warnings } from "./access/tls/open.ts";
import { followTls } from "./access/tls/source.ts";
import { TOUCH_MS } from "./blobs.ts";
import type { RegistryConfig } from "./config.ts";
import type { Collected } from "./gc.ts";
import { Metrics } from "./metrics.ts";
import { policyOf } from "./policy.ts";
import { openRegistry, type Registry } from "./registry.ts";
import { retire } from "./retention.ts";
import { openStorage } from "./storage/open.ts";
import { Through } from "./through/through.ts";

const DRAIN_MS = 10_000;

/** A registry that listens. */
export interface RunningRegistry extends AsyncDisposable {
  url: string;
  /** Retention, then garbage collection; of several calls at once the later ones wait for the first. */
  collect(): Promise<Collected>;
  /** Looks for other certificates now; they are looked for every ten seconds anyway. Files of users and keys are never old. */
  reload(): Promise<void>;
}

/** Opens the storage, listens, and collects now and then until it is disposed of; that waits for requests under way. Throws one line where something cannot be had. */
export async function serveRegistry(config: RegistryConfig, log: (line: string) => void): Promise<RunningRegistry> {
  const gate = await openGate(config.access, { log, folder: ownFolder(config) });
  const storage = await openStorage(config);
  await using failed = new AsyncDisposableStack();
  failed.use(storage);
  const metrics = new Metrics();
  const policy = policyOf(config.immutable, config.quotas);
  let through: Through | undefined;
  const registry = openRegistry({
    storage,
    gate,
    policy,
    metrics: async () => metrics.text(),
    log,
    touchMs: Math.min(TOUCH_MS, config.gc.graceMs / 10),
    ...(config.upstreams.length > 0
      ? {
          through: (context) => {
            through = new Through(context, config.upstreams);
            return through;
          },
        }
      : {}),
  });
  const tls = await openTls(config, log);
  const server = serveHttp({
    host: config.host,
    port: config.port,
    ...(tls ? { tls: tls.current } : {}),
    handle: (request, peer) => {
      gate.seen(request, peer);
      return metrics.request(request, () => registry.answer(request));
    },
  });
  log(`registry at ${server.url}, ${storage.name}`);
  for (const line of [...(tls?.advice ?? []), ...warnings(config, gate.mode)]) log(line);
  if (config.immutable.length > 0 && !storage.atomicCreate)
    log(`${storage.name} has no conditional writes: immutable tags are safe within one registry only`);
  const collect = collector({ registry, config, metrics, through: () => through });
  const timer = new AbortController();
  const certificates = tls && followTls(tls, { use: (material) => server.secure(material), log, signal: timer.signal });
  void regularly(config.gc.everyMs, { collect, log, signal: timer.signal });
  failed.move();
  return {
    url: server.url,
    collect,
    reload: async () => certificates?.poke(),
    async [Symbol.asyncDispose]() {
      timer.abort();
      await stop(server, storage);
    },
  };
}

async function stop(server: HttpServer, storage: AsyncDisposable): Promise<void> {
  await server.stop(DRAIN_MS);
  await storage[Symbol.asyncDispose]();
}

function collector(parts: {
  registry: Registry;
  config: RegistryConfig;
  metrics: Metrics;
  through: () => Through | undefined;
}): () => Promise<Collected> {
  const { registry, config, metrics, through } = parts;
  let last: Promise<unknown> = Promise.resolve();
  const once = async (): Promise<Collected> => {
    await through()?.evict();
    await retire(registry.context, config.retention);
    const collected = await registry.collector.collect(config.gc);
    metrics.collected(collected);
    return collected;
  };
  return () => {
    const next = last.then(once, once);
    last = next;
    return next;
  };
}

async function regularly(
  everyMs: number,
  { collect, log, signal }: { collect: () => Promise<Collected>; log: (line: string) => void; signal: AbortSignal },
): Promise<void> {
  if (everyMs === 0) return;
  while (!signal.aborted) {
    await delay(everyMs, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    await collect().then(
      (done) => log(`collected ${describe(done)}`),
      (error: unknown) => log(`collection: ${messageOf(error)}; the next one goes on`),
    );
  }
}

/** One line for people. */
export function describe({ blobs, bytes, uploads, strays, presences }: Collected): string {
  return `${blobs} blobs (${bytes} bytes), ${presences} presences, ${uploads} uploads, ${strays} strays`;
}
