import { afterAll, beforeAll, expect, test } from "bun:test";
import type { EventMessage } from "../spec/engine-api.ts";
import { collect, EngineHarness, never, testClient } from "../testing/engine-harness.ts";
import { EventBus } from "./events.ts";

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open();
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

const remove = (id: string): Promise<void> =>
  h.backend.container.remove(id, { force: true, volumes: true, link: false });

/** All events since the beginning that fit. */
async function past(filters: Record<string, string[]>): Promise<EventMessage[]> {
  const found: EventMessage[] = [];
  for await (const batch of h.backend.system.events({ since: 0, until: Date.now() + 1, filters, signal: never() }))
    found.push(...batch);
  return found;
}

/** All that a bus has kept and that fits. */
async function told(bus: EventBus, filters: Record<string, string[]>): Promise<EventMessage[]> {
  return (await Array.fromAsync(bus.stream({ since: 0, until: Date.now() + 1, filters, signal: never() }))).flat();
}

/** The last event of a container with this action, its attributes without those that all have. */
async function attributes(id: string, action: string): Promise<Record<string, string> | undefined> {
  const event = (await h.events(id)).findLast((e) => e.Action === action);
  const { image, name, ...own } = event?.Actor?.Attributes ?? {};
  expect([image, name]).toEqual(["busybox", expect.any(String)]);
  return event && own;
}

test("each verb is announced once, with what Docker tells of it", async () => {
  const c = h.backend.container;
  const id = await h.create(["sleep", "1000"], { Labels: { role: "db" } }, "first");
  expect(await attributes(id, "create")).toEqual({ role: "db" });
  await c.start(id, {});
  expect(await attributes(id, "start")).toEqual({ role: "db" });
  await c.rename(id, "second");
  expect(await attributes(id, "rename")).toEqual({ role: "db", oldName: "/first" });
  await c.update(id, { CpuShares: 512 });
  expect(await attributes(id, "update")).toEqual({ role: "db" });
  await c.top(id, "");
  expect(await attributes(id, "top")).toEqual({ role: "db" });
  await c.resize(id, { rows: 20, cols: 30 });
  expect(await attributes(id, "resize")).toEqual({ role: "db", height: "20", width: "30" });
  await c.kill(id, { signal: "URG" });
  expect(await attributes(id, "kill")).toEqual({ role: "db", signal: "23" });
  await c.restart(id, { timeout: 0 });
  expect(await attributes(id, "restart")).toEqual({ role: "db" });
  await c.kill(id, {});
  expect(await attributes(id, "kill")).toEqual({ role: "db", signal: "9" });
  expect(await attributes(id, "die")).toEqual({
    role: "db",
    exitCode: "137",
    execDuration: expect.stringMatching(/^\d+$/),
  });
  await remove(id);
  expect(await attributes(id, "destroy")).toEqual({ role: "db" });
  const count = (await h.events(id))
    .map((e) => e.Action)
    .reduce<Record<string, number>>((all, action = "") => {
      all[action] = (all[action] ?? 0) + 1;
      return all;
    }, {});
  expect(count).toEqual({
    ...{ create: 1, start: 2, rename: 1, update: 1, top: 1, resize: 1, restart: 1, stop: 1, die: 2, destroy: 1 },
    kill: 4,
  });
});

test("an exec's three events carry its id; the command is in the action", async () => {
  const id = await h.start(["sleep", "1000"]);
  const { Id: exec } = await h.backend.exec.create(id, { Cmd: ["sh", "-c", "exit 4"], AttachStdout: true });
  const client = testClient();
  await h.backend.exec.start(exec, { detach: false, tty: false }, client.ready);
  await client.output;
  const events = (await h.events(id)).filter((e) => e.Action?.startsWith("exec_"));
  expect(events.map((e) => e.Action)).toEqual(["exec_create: sh -c exit 4", "exec_start: sh -c exit 4", "exec_die"]);
  for (const e of events) expect(e.Actor?.Attributes?.["execID"]).toBe(exec);
  expect(events[2]?.Actor?.Attributes?.["exitCode"]).toBe("4");
  await remove(id);
});

test("older clients' fields are there for containers and images, and only there", async () => {
  const id = await h.create(["true"]);
  await h.backend.image.tag("busybox", "events", "1");
  await h.backend.image.remove("events:1", { force: false, noprune: false });
  await h.backend.volume.create({ Name: "events-volume" });
  await h.backend.volume.remove("events-volume", { force: false });
  const [create] = await h.events(id);
  expect(create).toMatchObject({ status: "create", id, from: "busybox", Type: "container", scope: "local" });
  const images = await past({ type: ["image"], event: ["tag", "untag"] });
  const busybox = (await h.backend.image.inspect("busybox")).Id ?? "";
  expect(images.map((e) => [e.Action, e.Actor?.ID, e.Actor?.Attributes?.["name"]])).toEqual([
    ["tag", busybox, "events:1"],
    ["untag", busybox, busybox],
  ]);
  expect(images[0]).toMatchObject({ status: "tag", id: busybox });
  const volumes = await past({ volume: ["events-volume"] });
  expect(volumes.map((e) => e.Action)).toEqual(["create", "destroy"]);
  for (const e of volumes) {
    expect(e.Actor).toEqual({ ID: "events-volume", Attributes: { driver: "local" } });
    expect(e).not.toHaveProperty("status");
  }
  await remove(id);
});

test("a volume tells of its making, its use and its end", async () => {
  const id = await h.start(["true"], { Volumes: { "/data": {} } });
  await h.wait(id);
  await remove(id);
  const events = (await past({ type: ["volume"] })).filter((e) => /^[0-9a-f]{64}$/.test(e.Actor?.ID ?? ""));
  expect(events.map((e) => e.Action)).toEqual(["create", "mount", "unmount", "destroy"]);
  expect(events[1]?.Actor?.Attributes).toEqual({
    ...{ container: id, destination: "/data", driver: "local", propagation: "", "read/write": "true" },
  });
  expect(events[2]?.Actor?.Attributes).toEqual({ container: id, driver: "local" });
});

test("each prune says what it gave back", async () => {
  const id = await h.create(["true"]);
  await h.backend.container.prune({ label: ["none-has-this"] });
  await h.backend.volume.prune({});
  await h.backend.image.prune({});
  await h.backend.network.prune({});
  await h.backend.build.prune({ all: true, filters: {} });
  const events = await past({ event: ["prune"] });
  expect(events.map((e) => e.Type)).toEqual(["container", "volume", "image", "network", "builder"]);
  for (const e of events) expect(e.Actor?.Attributes?.["reclaimed"]).toMatch(/^\d+$/);
  await remove(id);
});

test.each<[Record<string, string[]>, string[]]>([
  [{}, ["one start", "one die", "two start", "image tag", "volume mount"]],
  [{ type: ["container"] }, ["one start", "one die", "two start"]],
  [{ type: ["image", "volume"] }, ["image tag", "volume mount"]],
  [{ event: ["start"] }, ["one start", "two start"]],
  [{ event: ["start", "die"], container: ["one"] }, ["one start", "one die"]],
  [{ container: ["/two"] }, ["two start"]],
  [{ container: ["aaaa"] }, ["one start", "one die"]],
  [{ container: ["nosuch"] }, []],
  [{ image: ["busybox"] }, ["one start", "one die", "image tag"]],
  [{ image: ["busybox:latest"] }, ["one start", "one die"]],
  [{ image: ["debian:12"] }, ["two start"]],
  [{ volume: ["data"] }, ["volume mount"]],
  [{ label: ["tier"] }, ["one start", "one die", "two start"]],
  [{ label: ["tier=web"] }, ["one start", "one die"]],
  [{ label: ["tier=other"] }, []],
  [{ scope: ["local"] }, ["one start", "one die", "two start", "image tag", "volume mount"]],
  [{ scope: ["swarm"] }, []],
  [{ container: ["on"] }, ["one start", "one die"]],
  [{ network: ["two"] }, ["two start"]],
  [{ volume: ["da"] }, ["volume mount"]],
  [{ daemon: ["x"] }, []],
  [{ event: ["sta"] }, []],
  [{ event: ["exec_start", "die"] }, ["one die"]],
  [{ label: ["tier", "tier=web"] }, ["one start", "one die"]],
  [{ label: ["tier=web", "tier=db"] }, []],
  [{ nonsense: ["x"] }, ["one start", "one die", "two start", "image tag", "volume mount"]],
])("filter %p", async (filters, wanted) => {
  const bus = new EventBus();
  const one = { id: "aaaa1", attributes: { name: "one", image: "busybox:latest", tier: "web" } };
  const two = { id: "bbbb2", attributes: { name: "two", image: "debian:12", tier: "db" } };
  bus.emit("container", "start", one);
  bus.emit("container", "die", one);
  bus.emit("container", "start", two);
  bus.emit("image", "tag", { id: "cccc3", attributes: { name: "busybox" } });
  bus.emit("volume", "mount", { id: "data" });
  const seen = await told(bus, filters);
  expect(seen.map((e) => `${e.Type === "container" ? e.Actor?.Attributes?.["name"] : e.Type} ${e.Action}`)).toEqual(
    wanted,
  );
});

test("an exec's action is found by its first word", async () => {
  const bus = new EventBus();
  bus.emit("container", "exec_start: sh -c x", { id: "a" });
  const seen = await told(bus, { event: ["exec_start"] });
  expect(seen.map((e) => e.Action)).toEqual(["exec_start: sh -c x"]);
});

test("the last 512 are kept, in order, and times only grow", async () => {
  const bus = new EventBus();
  for (let i = 0; i < 600; i++) bus.emit("container", `n${i}`, { id: "x" });
  const seen = await told(bus, {});
  expect(seen.map((e) => e.Action)).toEqual(Array.from({ length: 512 }, (_, i) => `n${i + 88}`));
  const times = seen.map((e) => e.timeNano ?? 0);
  expect([...times].sort((a, b) => a - b)).toEqual(times);
});

test("a listener that does not read is ended, and does not hold up the others", async () => {
  const bus = new EventBus();
  const abort = new AbortController();
  const lazy = bus.stream({ filters: {}, signal: abort.signal });
  const first = lazy.next();
  for (let i = 0; i < 10_500; i++) bus.emit("container", `n${i}`, { id: "x" });
  const { value: batch } = await first;
  expect(batch).toHaveLength(10_000);
  expect(batch?.[0]).toMatchObject({ Action: "n0" });
  expect((await lazy.next()).done).toBe(true);
  expect(bus.listeners).toBe(0);
  abort.abort();
});

test("a listener that leaves is forgotten, whether it left by its signal or by itself", async () => {
  const bus = new EventBus();
  const abort = new AbortController();
  const ended = (async () => {
    for await (const _ of bus.stream({ filters: {}, signal: abort.signal }));
  })();
  await Bun.sleep(0);
  expect(bus.listeners).toBe(1);
  abort.abort();
  await ended;
  const again = bus.stream({ since: 0, filters: {}, signal: never() });
  bus.emit("container", "x", { id: "a" });
  await again.next();
  await again.return(undefined);
  expect(bus.listeners).toBe(0);
});

test("the log of a container that restarts tells of each run in order", async () => {
  const id = await h.create(["sh", "-c", "echo run; exit 1"], {
    HostConfig: { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 } },
  });
  await h.backend.container.start(id, {});
  await h.rest(id);
  const actions = (await h.events(id)).map((e) => e.Action);
  expect(actions).toEqual(["create", ...Array.from({ length: 4 }, () => ["start", "die"]).flat()]);
  const { stream } = await h.backend.container.logs(id, {
    ...{ stdout: true, stderr: true, follow: false, timestamps: false, signal: never() },
  });
  expect((await collect(stream)).toString().match(/run/g)).toHaveLength(4);
  await remove(id);
});
