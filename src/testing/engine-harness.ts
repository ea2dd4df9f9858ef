import { mkdtempSync, rmSync } from "node:fs";
import { Duplex } from "node:stream";
import type { Backend, CreateBody } from "../api/backend.ts";
import { build } from "../build/build.ts";
import { type Engine, openEngine } from "../engine/engine.ts";
import { removeCgroup } from "../host/cgroup.ts";
import { helperPath } from "../host/embedded.ts";
import { openImageStore } from "../image/store.ts";
import { openLayerStore } from "../layer/store.ts";
import type { LayerStore } from "../layer/types.ts";
import { openNetworkService } from "../network/service.ts";
import { openRegistryClient } from "../registry/client.ts";
import { findRuntimes } from "../runtime/binaries.ts";
import { openRuntimeService } from "../runtime/service.ts";
import type { EventMessage } from "../spec/engine-api.ts";
import { openBlobStore } from "../store/blobs.ts";
import { openDisk } from "../store/disk.ts";
import { openLeases } from "../store/leases.ts";
import { openRecords } from "../store/records.ts";
import { openVolumeService } from "../volume/service.ts";

/** A real engine in this process, with real parts below a folder of its own; no bridge, so the host's network is not touched. */
export class EngineHarness implements AsyncDisposable {
  readonly root = mkdtempSync("/var/tmp/berth-engine.");
  readonly cgroup = `be${this.root.slice(-6).toLowerCase()}`;
  /** The layers of the open engine, for tests that hold up what is done with them. */
  layers!: LayerStore;
  #engine: Engine | undefined;
  #close: () => Promise<void> = async () => undefined;

  /** Opens one; with the image busybox:latest unless told otherwise. */
  static async open(options: { busybox?: boolean } = {}): Promise<EngineHarness> {
    const harness = new EngineHarness();
    await harness.up();
    if (options.busybox !== false)
      await drain(harness.backend.image.bootstrap("busybox", { include: [], signal: never() }));
    return harness;
  }

  /** The open engine. */
  get engine(): Engine {
    if (!this.#engine) throw new Error("the engine is not open");
    return this.#engine;
  }

  get backend(): Backend {
    return this.engine.backend;
  }

  /** Opens the engine, again after `down`. */
  async up(): Promise<void> {
    const at = (name: string): string => `${this.root}/data/${name}`;
    const execRoot = `${this.root}/run`;
    const records = openRecords(at("berth.db"));
    const disk = openDisk(this.root);
    const blobs = openBlobStore(at("content"), disk);
    const leases = openLeases(records);
    const layers = openLayerStore({ root: at("layers"), records, disk });
    this.layers = layers;
    const images = openImageStore({ records, blobs, layers, leases, disk, warn: (line) => this.log.push(line) });
    const network = openNetworkService({
      helper: helperPath(at("helper")),
      records,
      execRoot,
      bridge: "none",
      poolSize: 0,
      log: () => undefined,
    });
    const volumes = openVolumeService({ root: at("volumes"), records });
    const runtime = openRuntimeService({
      execRoot,
      helper: helperPath(at("helper")),
      runtimes: findRuntimes(),
      cgroupParent: this.cgroup,
    });
    const registry = openRegistryClient({ mirrors: [], insecure: [], certsDirs: [], userAgent: "berth/test" });
    const engine = await openEngine({
      ...{ records, blobs, leases, layers, images, registry, network, volumes, runtime, build, execRoot },
      dataRoot: `${this.root}/data`,
      version: { version: "0.0.0", gitCommit: "test", buildTime: "1970-01-01T00:00:00Z" },
      config: {
        logDriver: "json-file",
        logOpts: {},
        labels: [],
        defaultUlimits: [],
        init: false,
        dns: { dns: [], search: [], options: [] },
        debug: false,
        experimental: false,
        addressPools: [],
      },
      log: (level, line) => (level === "error" || level === "warn" ? this.log.push(line) : undefined),
    });
    await engine.resume();
    this.#engine = engine;
    this.#close = async () => {
      await engine.shutdown();
      await network.stop();
      records.close();
    };
  }

  /** Warnings and errors so far. */
  readonly log: string[] = [];

  /** Closes the engine; containers go on, as when a daemon ends. */
  async down(): Promise<void> {
    await this.#close();
    this.#close = async () => undefined;
  }

  /** Creates a container of busybox. */
  async create(cmd: string[], body: CreateBody = {}, name?: string): Promise<string> {
    const { Id } = await this.backend.container.create(name, { Image: "busybox", Cmd: cmd, ...body }, {});
    return Id;
  }

  /** Creates and starts one. */
  async start(cmd: string[], body: CreateBody = {}, name?: string): Promise<string> {
    const id = await this.create(cmd, body, name);
    await this.backend.container.start(id, {});
    return id;
  }

  /** Its exit code, when it has one. */
  async wait(id: string, condition: "not-running" | "next-exit" | "removed" = "not-running"): Promise<number> {
    const { StatusCode } = await this.backend.container.wait(id, {
      condition,
      signal: never(),
      ready: () => undefined,
    });
    return StatusCode;
  }

  /** Its exit code, when it neither runs nor is about to be restarted. */
  async rest(id: string): Promise<number> {
    for (;;) {
      const { State: state } = await this.backend.container.inspect(id, { size: false });
      if (!state?.Running) return state?.ExitCode ?? -1;
      await new Promise((done) => setTimeout(done, 5));
    }
  }

  /** All of its log, as text without frames. */
  async logs(id: string, options: { tail?: number; follow?: boolean; since?: string } = {}): Promise<string> {
    const wanted = { stdout: true, stderr: true, follow: false, timestamps: false, signal: never(), ...options };
    const { tty, stream } = await this.backend.container.logs(id, wanted);
    return textOf(await collect(stream), tty);
  }

  /** What has happened to a container so far. */
  async events(id: string): Promise<EventMessage[]> {
    const options = { since: 0, until: Date.now() + 1, filters: { container: [id] }, signal: never() };
    return (await drain(this.backend.system.events(options))).flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = await this.backend.container.list({ all: true, size: false, filters: {} });
    for (const { Id: id = "" } of all)
      await this.backend.container.remove(id, { force: true, volumes: true, link: false });
    await this.down();
    await removeCgroup(`/${this.cgroup}`);
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A client's connection in memory. */
export interface TestClient {
  ready: (tty: boolean) => Duplex;
  /** Resolves when `ready` was called. */
  isReady: Promise<void>;
  /** What the engine has written, when it has ended. */
  output: Promise<Buffer>;
  type(text: string): void;
  end(): void;
}

/** A client for attach and exec. */
export function testClient(): TestClient {
  const chunks: Buffer[] = [];
  const ended = Promise.withResolvers<Buffer>();
  const isReady = Promise.withResolvers<void>();
  const duplex = new Duplex({
    allowHalfOpen: true,
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      done();
    },
    final: (done) => {
      ended.resolve(Buffer.concat(chunks));
      done();
    },
    destroy: (error, done) => {
      ended.resolve(Buffer.concat(chunks));
      done(error);
    },
  });
  return {
    ready: () => {
      isReady.resolve();
      return duplex;
    },
    isReady: isReady.promise,
    output: ended.promise,
    type: (text) => void duplex.push(text),
    end: () => void duplex.push(null),
  };
}

/** All items of an iterable. */
export async function drain<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** All bytes of a stream. */
export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await drain(stream));
}

/** The text of attach framing; `only` one of its streams. */
export function textOf(bytes: Buffer, tty: boolean, only?: "stdout" | "stderr"): string {
  if (tty) return bytes.toString();
  let text = "";
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    const stream = bytes[at] === 2 ? "stderr" : "stdout";
    if (only === undefined || only === stream) text += bytes.toString("utf8", at + 8, at + 8 + length);
    at += 8 + length;
  }
  return text;
}

/** A signal that never fires. */
export function never(): AbortSignal {
  return new AbortController().signal;
}
