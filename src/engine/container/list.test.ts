import { afterAll, beforeAll, expect, test } from "bun:test";
import type { ContainerSummary } from "../../spec/engine-api.ts";
import { EngineHarness } from "../../testing/engine-harness.ts";
import { freshState } from "../record.ts";
import { shownStatus, statusText } from "./status.ts";

// `docker ps`: which containers, in which order, and what is said of each.

let h: EngineHarness;
const ids: Record<string, string> = {};
beforeAll(async () => {
  h = await EngineHarness.open();
  ids["web"] = await h.start(
    ["sleep", "1000"],
    { Labels: { tier: "web", "com.x/y": "a=b" }, ExposedPorts: { "80/tcp": {} } },
    "web",
  );
  ids["db"] = await h.create(
    ["sh", "-c", "exit 3"],
    { HostConfig: { Binds: ["list-data:/data", "/tmp:/host"] } },
    "db-1",
  );
  await h.backend.container.start(ids["db"], {});
  await h.wait(ids["db"]);
  await h.backend.image.tag("busybox", "other", "2");
  ids["made"] = await h.create(
    ["echo", "two words", "plain"],
    {
      Image: "other:2",
      Labels: { tier: "db", empty: "" },
      ExposedPorts: { "53/udp": {}, "8000/tcp": {} },
      HostConfig: { PortBindings: { "8000/tcp": [{ HostPort: "18000" }], "9/sctp": [{ HostPort: "" }] } },
    },
    "made",
  );
  ids["zero"] = await h.start(["true"], {}, "zero");
  await h.wait(ids["zero"]);
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

type Options = Parameters<typeof h.backend.container.list>[0];
const list = (options: Partial<Options>): Promise<ContainerSummary[]> =>
  h.backend.container.list({ all: false, size: false, filters: {}, ...options });
const names = async (options: Partial<Options>): Promise<string[]> =>
  (await list(options)).map((c) => c.Names?.[0]?.slice(1) ?? "");
const one = async (name: string): Promise<ContainerSummary> =>
  (await list({ all: true, filters: { id: [ids[name] ?? ""] } }))[0] ?? {};

test.each<[Record<string, string[]>, string[]]>([
  [{}, ["zero", "made", "db-1", "web"]],
  [{ name: ["web"] }, ["web"]],
  [{ name: ["^/web$"] }, ["web"]],
  [{ name: ["^w", "^z"] }, ["zero", "web"]],
  [{ name: ["b"] }, ["db-1", "web"]],
  [{ name: ["db.1"] }, ["db-1"]],
  [{ name: ["["] }, []],
  [{ name: ["nosuch"] }, []],
  [{ label: ["tier"] }, ["made", "web"]],
  [{ label: ["tier=web"] }, ["web"]],
  [{ label: ["tier", "empty"] }, ["made"]],
  [{ label: ["empty="] }, ["made"]],
  [{ label: ["com.x/y=a=b"] }, ["web"]],
  [{ label: ["tier=web", "tier=db"] }, []],
  [{ status: ["running"] }, ["web"]],
  [{ status: ["exited"] }, ["zero", "db-1"]],
  [{ status: ["created", "exited"] }, ["zero", "made", "db-1"]],
  [{ status: ["paused"] }, []],
  [{ status: ["dead"] }, []],
  [{ exited: ["0"] }, ["zero"]],
  [{ exited: ["3"] }, ["db-1"]],
  [{ exited: ["0", "3"] }, ["zero", "db-1"]],
  [{ exited: ["137"] }, []],
  [{ ancestor: ["busybox"] }, ["zero", "made", "db-1", "web"]],
  [{ ancestor: ["other:2"] }, ["zero", "made", "db-1", "web"]],
  [{ ancestor: ["nosuch"] }, []],
  [{ before: ["made"] }, ["db-1", "web"]],
  [{ since: ["made"] }, ["zero"]],
  [{ since: ["web"], before: ["zero"] }, ["made", "db-1"]],
  [{ volume: ["list-data"] }, ["db-1"]],
  [{ volume: ["/data"] }, ["db-1"]],
  [{ volume: ["/tmp"] }, ["db-1"]],
  [{ volume: ["/nosuch"] }, []],
  [{ network: ["none"] }, ["zero", "made", "db-1", "web"]],
  [{ network: ["bridge"] }, []],
  [{ expose: ["80"] }, ["web"]],
  [{ expose: ["53"] }, []],
  [{ expose: ["53/udp"] }, ["made"]],
  [{ expose: ["7000-9000/tcp"] }, ["made"]],
  [{ expose: ["1-100"] }, ["web"]],
  [{ publish: ["18000"] }, ["made"]],
  [{ publish: ["18000/udp"] }, []],
  [{ publish: ["17000-19000/tcp"] }, ["made"]],
  [{ "is-task": ["true"] }, []],
  [{ "is-task": ["false"] }, ["zero", "made", "db-1", "web"]],
  [{ isolation: ["default"] }, ["zero", "made", "db-1", "web"]],
  [{ isolation: ["^$", "hyperv"] }, ["zero", "made", "db-1", "web"]],
  [{ isolation: ["hyperv"] }, ["zero", "made", "db-1", "web"]],
  [{ isolation: ["["] }, ["zero", "made", "db-1", "web"]],
  [{ health: ["none"] }, ["zero", "made", "db-1", "web"]],
  [{ health: ["healthy", "unhealthy", "starting"] }, []],
  [{ label: ["tier"], status: ["running"] }, ["web"]],
  [{ label: ["tier"], exited: ["0"] }, []],
  [{ name: [] }, ["zero", "made", "db-1", "web"]],
])("ps -a --filter %p", async (filters, wanted) => {
  expect(await names({ all: true, filters })).toEqual(wanted);
});

test.each<[Record<string, string[]>, string]>([
  [
    { status: ["foo"] },
    "invalid filter 'status=foo': invalid value for state (foo): must be one of created, running, paused, restarting, removing, exited, dead",
  ],
  [
    { health: ["foo"] },
    "invalid filter 'health=foo': invalid value for health (foo): must be one of none, starting, healthy, unhealthy",
  ],
  [{ exited: ["x"] }, `invalid filter 'exited=x': strconv.Atoi: parsing "x": invalid syntax`],
  [{ before: ["nosuch"] }, "No such container: nosuch"],
  [{ since: ["nosuch"] }, "No such container: nosuch"],
  [{ publish: ["x"] }, 'error while looking up for publish x: strconv.ParseUint: parsing "x": invalid syntax'],
  [
    { expose: ["99999"] },
    'error while looking up for expose 99999: strconv.ParseUint: parsing "99999": value out of range',
  ],
  [{ "is-task": ["foo"] }, "invalid filter 'is-task=[foo]'"],
  [{ foo: ["bar"] }, "invalid filter 'foo'"],
])("ps refuses --filter %p in Docker's words", async (filters, words) => {
  await expect(list({ filters })).rejects.toMatchObject({ message: words });
});

test("without -a the running ones, unless a filter asks for others", async () => {
  expect(await names({})).toEqual(["web"]);
  expect(await names({ filters: { label: ["tier"] } })).toEqual(["web"]);
  expect(await names({ filters: { status: ["exited"] } })).toEqual(["zero", "db-1"]);
  expect(await names({ filters: { exited: ["3"] } })).toEqual(["db-1"]);
  expect(await names({ filters: { before: ["made"] } })).toEqual(["db-1", "web"]);
});

test("-n counts the newest ones, running or not; after the filters", async () => {
  expect(await names({ limit: 2 })).toEqual(["zero", "made"]);
  expect(await names({ limit: 100 })).toEqual(["zero", "made", "db-1", "web"]);
  expect(await names({ limit: 1, filters: { label: ["tier"] } })).toEqual(["made"]);
  expect(await names({ limit: -1 })).toEqual(["web"]);
  expect(await names({ limit: 0 })).toEqual(["web"]);
});

test("a row has what its columns are made of", async () => {
  const web = await one("web");
  const { Id: image } = await h.backend.image.inspect("busybox");
  expect(web).toMatchObject({
    ...{ Id: ids["web"], Names: ["/web"], Image: "busybox", ImageID: image, Command: "sleep 1000", State: "running" },
    ...{ Labels: { tier: "web", "com.x/y": "a=b" }, HostConfig: { NetworkMode: "none" }, Mounts: [] },
  });
  expect(web.Status).toMatch(/^Up (Less than a second|\d+ seconds?|About a minute)$/);
  expect(web.Created).toBe(
    Math.floor(Date.parse((await h.backend.container.inspect("web", { size: false })).Created ?? "") / 1000),
  );
  expect(web).not.toHaveProperty("SizeRw");
  expect((await one("made")).Command).toBe("echo 'two words' plain");
  expect((await one("made")).Image).toBe("other:2");
  expect((await one("made")).Status).toBe("Created");
  expect((await one("db")).Mounts?.map((m) => [m.Type, m.Name, m.Destination, m.RW])).toEqual([
    ["volume", "list-data", "/data", true],
    ["bind", undefined, "/host", true],
  ]);
  expect((await one("db")).Status).toMatch(/^Exited \(3\) (Less than a second|\d+ seconds?|About a minute) ago$/);
});

test("-s adds what a container has written, and that with its image", async () => {
  const [web] = await list({ size: true });
  const { Size: image = 0 } = await h.backend.image.inspect("busybox");
  expect(web).toMatchObject({ SizeRw: 0, SizeRootFs: image });
});

test("an image whose name means another by now is shown by its id", async () => {
  const { Id: image } = await h.backend.image.inspect("other:2");
  await h.backend.image.remove("other:2", { force: true, noprune: true });
  expect((await one("made")).Image).toBe(image);
  await h.backend.image.tag("busybox", "other", "2");
  expect((await one("made")).Image).toBe("other:2");
});

test.each<[object, object, string, string]>([
  [{ status: "created" }, {}, "created", "Created"],
  [{ status: "running", startedAt: 1_000_000 - 5_000 }, {}, "running", "Up 5 seconds"],
  [{ status: "running", startedAt: 1_000_000 - 90_000 }, {}, "running", "Up About a minute"],
  [
    { status: "running", startedAt: 1 },
    { health: { status: "starting" } },
    "running",
    "Up 16 minutes (health: starting)",
  ],
  [{ status: "running", startedAt: 1 }, { health: { status: "healthy" } }, "running", "Up 16 minutes (healthy)"],
  [{ status: "exited", exitCode: 0, finishedAt: 999_500 }, {}, "exited", "Exited (0) Less than a second ago"],
  [
    { status: "exited", exitCode: 137, finishedAt: 1_000_000 - 3600_000 },
    {},
    "exited",
    "Exited (137) About an hour ago",
  ],
  [{ status: "exited", exitCode: 1 }, { health: { status: "healthy" } }, "exited", "Exited (1) 16 minutes ago"],
  [{ status: "restarting", exitCode: 2, finishedAt: 998_000 }, {}, "restarting", "Restarting (2) 2 seconds ago"],
  [{ status: "exited" }, { removing: true }, "removing", "Removal In Progress"],
  [{ status: "running", startedAt: 1 }, { removing: true }, "running", "Up 16 minutes"],
])("status of %p with %p", (state, more, shown, text) => {
  const container = {
    record: { state: { ...freshState(), ...state } },
    removing: false,
    ...more,
  } as unknown as Parameters<typeof statusText>[0];
  expect(shownStatus(container)).toBe(shown as "created");
  expect(statusText(container, 1_000_000)).toBe(text);
});
