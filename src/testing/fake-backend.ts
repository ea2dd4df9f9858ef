import type { Duplex } from "node:stream";
import type { Backend, ContainerBackend, CreateBody, ExecBackend, ExecCreateBody } from "../api/backend.ts";
import type { ContainerInspectResponse, ContainerSummary, EventMessage, Volume } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import { fakeFiles } from "./fake-files.ts";
import { fakeBuild, fakeImages, fakeNetworks, fakeRegistry } from "./fake-images.ts";

/** A container of the fake: what it would run is "echo back what comes in". */
export interface FakeContainer {
  id: string;
  name: string;
  body: CreateBody;
  running: boolean;
  exitCode: number;
  log: Buffer[];
  removed: boolean;
}

/** What the fake keeps, open to tests: calls as `area.method` with their arguments, and all objects. */
export interface FakeState {
  calls: [name: string, ...args: unknown[]][];
  containers: Map<string, FakeContainer>;
  volumes: Map<string, Volume>;
  execs: Map<string, { container: string; body: ExecCreateBody; done: boolean }>;
  events: EventMessage[];
  /** Resolved and replaced on each change of a container. */
  changed: PromiseWithResolvers<void>;
}

/** A Backend in memory, for tests of the API alone. Attaching echoes stdin to stdout until stdin ends; then the container exits 0. */
export interface FakeBackend extends Backend {
  state: FakeState;
}

/** Makes an empty fake. */
export function fakeBackend(): FakeBackend {
  const state: FakeState = {
    calls: [],
    containers: new Map(),
    volumes: new Map(),
    execs: new Map(),
    events: [],
    changed: Promise.withResolvers(),
  };
  return {
    state,
    container: { ...recorded(state, "container", fakeContainers(state)) },
    files: { ...recorded(state, "files", fakeFiles()) },
    exec: { ...recorded(state, "exec", fakeExecs(state)) },
    image: { ...recorded(state, "image", fakeImages()) },
    build: { ...recorded(state, "build", fakeBuild()) },
    network: fakeNetworks(),
    volume: fakeVolumes(state),
    system: fakeSystem(state),
    registry: fakeRegistry(),
  };
}

/** The same methods, each call noted before it runs. */
function recorded<T extends object>(state: FakeState, area: string, target: T): T {
  return new Proxy(target, {
    ownKeys: (t) => Reflect.ownKeys(t),
    get(t, key) {
      const method: unknown = Reflect.get(t, key);
      if (typeof method !== "function") return method;
      return (...args: unknown[]): unknown => {
        state.calls.push([`${area}.${String(key)}`, ...args]);
        return Reflect.apply(method, t, args);
      };
    },
  });
}

function find(state: FakeState, id: string): FakeContainer {
  const all = [...state.containers.values()];
  const found = all.find((c) => c.name === id || (id.length >= 3 && c.id.startsWith(id)));
  if (!found) throw new BerthError("not-found", `No such container: ${id}`);
  return found;
}

function change(state: FakeState, container: FakeContainer, action: string): void {
  const now = Date.now();
  const attributes = { image: container.body.Image ?? "", name: container.name };
  state.events.push({
    Type: "container",
    Action: action,
    Actor: { ID: container.id, Attributes: attributes },
    scope: "local",
    time: Math.floor(now / 1000),
    timeNano: now * 1e6,
  });
  state.changed.resolve();
  state.changed = Promise.withResolvers();
}

function summary(c: FakeContainer): ContainerSummary {
  return {
    Id: c.id,
    Names: [`/${c.name}`],
    Image: c.body.Image ?? "",
    ImageID: `sha256:${"1".repeat(64)}`,
    Command: (c.body.Cmd ?? []).join(" "),
    Created: 1_700_000_000,
    Ports: [],
    Labels: c.body.Labels ?? {},
    State: c.running ? "running" : "created",
    Status: c.running ? "Up 1 second" : "Created",
    HostConfig: { NetworkMode: "bridge" },
    NetworkSettings: { Networks: {} },
    Mounts: [],
  };
}

function details(c: FakeContainer): ContainerInspectResponse {
  return {
    Id: c.id,
    Created: "2024-01-01T00:00:00Z",
    Path: c.body.Cmd?.[0] ?? "",
    Args: c.body.Cmd?.slice(1) ?? [],
    State: { Status: c.running ? "running" : "exited", Running: c.running, ExitCode: c.exitCode },
    Name: `/${c.name}`,
    Config: { ...c.body, Image: c.body.Image ?? "" },
    HostConfig: { ...c.body.HostConfig },
    Mounts: [],
    NetworkSettings: {},
  };
}

function fakeContainers(state: FakeState): ContainerBackend {
  return {
    ...fakeLifeCycle(state),
    listWarning: async () => undefined,
    list: async ({ all }) => [...state.containers.values()].filter((c) => all || c.running).map(summary),
    inspect: async (id) => details(find(state, id)),
    async logs(id) {
      const { log, body } = find(state, id);
      return {
        tty: body.Tty ?? false,
        stream: (async function* () {
          yield* log;
        })(),
      };
    },
    async attach(id, options, ready) {
      const c = find(state, id);
      await echo(ready(c.body.Tty ?? false), {
        tty: c.body.Tty ?? false,
        greeting: "",
        stdin: options.stdin,
        log: c.log,
      });
      c.running = false;
      change(state, c, "die");
      if (c.body.HostConfig?.AutoRemove) drop(state, c);
    },
    resize: async (id) => void find(state, id),
    top: async (id) => ({ Titles: ["PID", "CMD"], Processes: [["1", find(state, id).name]] }),
    update: async (id) => ({ Warnings: find(state, id) ? [] : [] }),
    prune: async () => ({ ContainersDeleted: [], SpaceReclaimed: 0 }),
    async stats(id, options) {
      const { id: full, name } = find(state, id);
      return (async function* () {
        for (let n = 0; n < (options.stream ? 3 : 1); n++) yield { id: full, name: `/${name}`, num_procs: n };
      })();
    },
  };
}

function drop(state: FakeState, c: FakeContainer): void {
  state.containers.delete(c.id);
  c.removed = true;
  change(state, c, "destroy");
}

type LifeCycle = "create" | "start" | "stop" | "restart" | "kill" | "pause" | "unpause" | "rename" | "wait" | "remove";

function fakeLifeCycle(state: FakeState): Pick<ContainerBackend, LifeCycle> {
  const set = (id: string, running: boolean, action: string): void => {
    const c = find(state, id);
    if (c.running === running) throw new BerthError("not-modified", `container ${id} is so already`);
    c.running = running;
    change(state, c, action);
  };
  return {
    async create(name, body) {
      const id = (state.containers.size + 10).toString(16).padStart(3, "f").padEnd(64, "0");
      const taken = [...state.containers.values()].some((c) => c.name === name);
      if (taken) throw new BerthError("conflict", `Conflict. The container name "/${name}" is already in use`);
      const c = {
        id,
        name: name ?? `fake_${id.slice(0, 3)}`,
        body,
        running: false,
        exitCode: 0,
        log: [],
        removed: false,
      };
      state.containers.set(id, c);
      return { Id: id, Warnings: [] };
    },
    start: async (id) => set(id, true, "start"),
    stop: async (id) => set(id, false, "die"),
    restart: async (id) => change(state, find(state, id), "restart"),
    pause: async (id) => change(state, find(state, id), "pause"),
    unpause: async (id) => change(state, find(state, id), "unpause"),
    kill: async (id) => set(id, false, "die"),
    async rename(id, name) {
      find(state, id).name = name;
    },
    async wait(id, { condition, ready, signal }) {
      const c = find(state, id);
      ready();
      let started = condition === "not-running" && !c.running;
      const over = (): boolean => (condition === "removed" ? c.removed : started && !c.running);
      while (!over() && !signal.aborted) {
        started ||= c.running;
        await state.changed.promise;
        started = true;
      }
      return { StatusCode: c.exitCode };
    },
    async remove(id, { force }) {
      const c = find(state, id);
      if (c.running && !force)
        throw new BerthError("conflict", `cannot remove container "${id}": container is running`);
      drop(state, c);
    },
  };
}

/** Sends a greeting, then everything that comes in, until the client's half-close. */
async function echo(
  client: Duplex,
  { tty, greeting, stdin, log }: { tty: boolean; greeting: string; stdin: boolean; log: Buffer[] },
): Promise<void> {
  const send = async (data: Buffer): Promise<void> => {
    const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
    head.writeUInt32BE(data.byteLength, 4);
    const bytes = tty ? data : Buffer.concat([head, data]);
    log.push(bytes);
    if (!client.write(bytes)) await new Promise<void>((resolve) => client.once("drain", resolve));
  };
  if (greeting) await send(Buffer.from(greeting));
  if (!stdin) return;
  for await (const chunk of client.iterator({ destroyOnReturn: false })) {
    await send(chunk as Buffer);
    if (tty && (chunk as Buffer).includes(4)) break;
  }
}

function fakeExecs(state: FakeState): ExecBackend {
  const get = (id: string): { container: string; body: ExecCreateBody; done: boolean } => {
    const exec = state.execs.get(id);
    if (!exec) throw new BerthError("not-found", `No such exec instance: ${id}`);
    return exec;
  };
  return {
    async create(containerId, body) {
      const { id: container } = find(state, containerId);
      const id = (state.execs.size + 1).toString(16).padStart(64, "e");
      state.execs.set(id, { container, body, done: false });
      return { Id: id };
    },
    async start(id, { detach }, ready) {
      const exec = get(id);
      const tty = exec.body.Tty ?? false;
      exec.done = true;
      if (detach) return;
      const client = ready(tty);
      if (exec.body.Cmd?.[0] === "missing") throw new BerthError("invalid-argument", 'exec: "missing": not found');
      const greeting = `${exec.body.Cmd?.join(" ")}\n`;
      await echo(client, { tty, greeting, stdin: exec.body.AttachStdin ?? false, log: [] });
    },
    resize: async (id) => void get(id),
    async inspect(id) {
      const { container, body, done } = get(id);
      const process = { tty: body.Tty ?? false, entrypoint: body.Cmd?.[0] ?? "", arguments: body.Cmd?.slice(1) ?? [] };
      return { ID: id, ContainerID: container, Running: !done, ExitCode: 0, Pid: 0, ProcessConfig: process };
    },
  };
}

function fakeVolumes(state: FakeState): Backend["volume"] {
  const get = (name: string): Volume => {
    const volume = state.volumes.get(name);
    if (!volume) throw new BerthError("not-found", `get ${name}: no such volume`);
    return volume;
  };
  return {
    list: async () => ({ Volumes: [...state.volumes.values()], Warnings: [] }),
    async create(body) {
      const Name = body.Name ?? "unnamed";
      const Labels = body.Labels ?? {};
      const volume: Volume = { Name, Driver: "local", Mountpoint: `/v/${Name}`, Labels, Scope: "local", Options: {} };
      state.volumes.set(Name, volume);
      return volume;
    },
    inspect: async (name) => get(name),
    remove: async (name) => void state.volumes.delete(get(name).Name),
    async prune(filters) {
      state.calls.push(["volume.prune", filters]);
      return { VolumesDeleted: [], SpaceReclaimed: 0 };
    },
    async rename(name, to) {
      const volume = { ...get(name), Name: to };
      state.volumes.delete(name);
      state.volumes.set(to, volume);
      return volume;
    },
    export: async (name) => bytesOf(`content of ${get(name).Name}`),
    async import(name, _options, tar) {
      for await (const _chunk of tar);
      return this.create({ Name: name });
    },
    clone: async (name, { name: to }) => ({ ...get(name), Name: to }),
  };
}

function fakeSystem(state: FakeState): Backend["system"] {
  return {
    info: async () => ({ ID: "fake", Containers: state.containers.size, Name: "fake", ServerVersion: "0.0.0" }),
    version: async () => ({ Version: "0.0.0", ApiVersion: "1.51", MinAPIVersion: "1.24", Os: "linux", Arch: "amd64" }),
    async *events({ since, until, signal }) {
      state.calls.push(["system.events", { since, until }]);
      let next = since === undefined ? state.events.length : 0;
      const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      while (!signal.aborted) {
        for (; next < state.events.length; next++) yield [state.events[next] ?? {}];
        if (until !== undefined && until <= Date.now()) return;
        await Promise.race([state.changed.promise, aborted]);
      }
    },
    diskUsage: async () => ({ LayersSize: 0, Images: [], Containers: [], Volumes: [], BuildCache: [] }),
  };
}

async function* bytesOf(text: string): AsyncGenerator<Uint8Array, void, void> {
  yield Buffer.from(text);
}
