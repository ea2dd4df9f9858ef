import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync } from "node:fs";
import type { CreateBody } from "../../api/backend.ts";
import type { HostConfig } from "../../spec/engine-api.ts";
import { EngineHarness } from "../../testing/engine-harness.ts";

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open();
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

const remove = (id: string): Promise<void> =>
  h.backend.container.remove(id, { force: true, volumes: true, link: false });
const inspect = (id: string) => h.backend.container.inspect(id, { size: true });
const host = (HostConfig: HostConfig): CreateBody => ({ HostConfig });

test.each<[string, CreateBody, string, string]>([
  ["no image", { Image: "nope" }, "not-found", "No such image: nope:latest"],
  ["empty body", { Image: "" }, "invalid-argument", "no command specified"],
  ["little memory", host({ Memory: 1000 }), "invalid-argument", "Minimum memory limit allowed is 6MB"],
  [
    "swap below memory",
    host({ Memory: 2 ** 26, MemorySwap: 1e7 }),
    "invalid-argument",
    "Minimum memoryswap limit should be larger than memory limit, see usage",
  ],
  [
    "swap alone",
    host({ MemorySwap: 1e8 }),
    "invalid-argument",
    "You should always set the Memory limit when using Memoryswap limit, see usage",
  ],
  [
    "a file as working folder",
    { WorkingDir: "/etc/../etc/passwd" },
    "invalid-argument",
    "Cannot mkdir: /etc/../etc/passwd is not a directory",
  ],
  [
    "rm and restart",
    host({ AutoRemove: true, RestartPolicy: { Name: "always" } }),
    "invalid-argument",
    "can't create 'AutoRemove' container with restart policy",
  ],
  [
    "retries",
    host({ RestartPolicy: { Name: "always", MaximumRetryCount: 3 } }),
    "invalid-argument",
    "invalid restart policy: maximum retry count can only be used with 'on-failure'",
  ],
  ["capability", host({ CapAdd: ["FOO"] }), "invalid-argument", 'invalid CapAdd: unknown capability: "CAP_FOO"'],
  ["bind parts", host({ Binds: ["a:b:c:d"] }), "invalid-argument", "invalid volume specification: 'a:b:c:d'"],
  [
    "bind target",
    host({ Binds: ["foo:bar"] }),
    "invalid-argument",
    "invalid volume specification: 'foo:bar': invalid mount config for type \"volume\": invalid mount path: 'bar' mount path must be absolute",
  ],
  ["bind mode", host({ Binds: ["/tmp:/x:zz"] }), "invalid-argument", "invalid mode: zz"],
  ["two on one", host({ Binds: ["/tmp:/x", "/var:/x"] }), "invalid-argument", "Duplicate mount point: /x"],
  [
    "volume name",
    host({ Binds: ["./a:/x"] }),
    "invalid-argument",
    'create ./a: "./a" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path',
  ],
  [
    "volume name of one letter",
    host({ Binds: ["a:/x"] }),
    "invalid-argument",
    "create a: volume name is too short, names should be at least two alphanumeric characters",
  ],
  [
    "bind on root",
    host({ Binds: ["/a:/"] }),
    "invalid-argument",
    "invalid volume specification: '/a:/': invalid mount config for type \"bind\": invalid specification: destination can't be '/'",
  ],
  [
    "mount source",
    host({ Mounts: [{ Type: "bind", Source: "/nope/x", Target: "/x" }] }),
    "invalid-argument",
    'invalid mount config for type "bind": bind source path does not exist: /nope/x',
  ],
  [
    "port",
    host({ PortBindings: { "80/tcp": [{ HostPort: "x" }] } }),
    "invalid-argument",
    'invalid port specification: "x"',
  ],
  [
    "folder",
    { WorkingDir: "a" },
    "invalid-argument",
    "the working directory 'a' is invalid, it needs to be an absolute path",
  ],
  ["signal", { StopSignal: "FOO" }, "invalid-argument", "invalid signal: FOO"],
  ["volumes-from", host({ VolumesFrom: ["nope"] }), "invalid-argument", "No such container: nope"],
  ["cpus", host({ NanoCpus: 1e15 }), "invalid-argument", "range of CPUs is from 0.01 to"],
  ["shares", host({ CpuShares: -1 }), "invalid-argument", "invalid CPU shares (-1): value must be a positive integer"],
  ["variable", { Env: ["=x"] }, "invalid-argument", "invalid environment variable: =x"],
  [
    "log driver",
    host({ LogConfig: { Type: "splunk" } }),
    "invalid-argument",
    'error looking up logging plugin splunk: plugin "splunk" not found',
  ],
  ["runtime", host({ Runtime: "foo" }), "invalid-argument", "unknown or invalid runtime name: foo"],
  ["no command", { Entrypoint: [""] }, "invalid-argument", "no command specified"],
])("refused with nothing left, in Docker's words: %s", async (_, body, kind, words) => {
  const wanted = { Image: "busybox", ...body };
  await expect(h.backend.container.create(undefined, wanted, {})).rejects.toMatchObject({
    kind,
    message: expect.stringContaining(words),
  });
  expect(readdirSync(`${h.root}/data/containers`)).toEqual([]);
  expect((await h.backend.volume.list({})).Volumes).toEqual([]);
});

test("names: generated, checked, unique, and free again after a removal or rename", async () => {
  const first = await h.create(["true"], {}, "one");
  const other = await h.create(["true"]);
  expect((await inspect(other)).Name).toMatch(/^\/[a-z]+_[a-z]+$/);
  await expect(h.create(["true"], {}, "one")).rejects.toThrow(
    `Conflict. The container name "/one" is already in use by container "${first}". You have to remove (or rename) that container to be able to reuse that name.`,
  );
  await expect(h.create(["true"], {}, "-x")).rejects.toThrow(
    "Invalid container name (-x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
  );
  await h.backend.container.rename("one", "two");
  await expect(h.backend.container.rename(other, "two")).rejects.toMatchObject({ kind: "conflict" });
  const again = await h.create(["true"], {}, "one");
  expect((await inspect("/two")).Id).toBe(first);
  expect((await inspect(first.slice(0, 12))).Name).toBe("/two");
  for (const id of [first, other, again]) await remove(id);
});

test("two creates of one name at once: one has it", async () => {
  const results = await Promise.allSettled([h.create(["true"], {}, "twin"), h.create(["true"], {}, "twin")]);
  expect(results.map((r) => r.status).sort()).toEqual(["fulfilled", "rejected"]);
  await remove("twin");
});

test("inspect shows every key that Docker shows, with its defaults", async () => {
  const id = await h.create(["true"]);
  const shown = await inspect(id);
  expect(Object.keys(shown).sort()).toEqual(
    "AppArmorProfile Args Config Created Driver ExecIDs GraphDriver HostConfig HostnamePath HostsPath Id Image LogPath MountLabel Mounts Name NetworkSettings Path Platform ProcessLabel ResolvConfPath RestartCount SizeRootFs SizeRw State".split(
      " ",
    ),
  );
  expect(shown.State).toEqual({
    ...{
      Status: "created",
      Running: false,
      Paused: false,
      Restarting: false,
      OOMKilled: false,
      Dead: false,
      Pid: 0,
      ExitCode: 0,
      Error: "",
    },
    StartedAt: "0001-01-01T00:00:00Z",
    FinishedAt: "0001-01-01T00:00:00Z",
  });
  expect(shown.HostConfig).toMatchObject({
    ShmSize: 67108864,
    IpcMode: "private",
    RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
    PortBindings: {},
  });
  expect(shown.HostConfig).toHaveProperty("CapAdd", null);
  expect(shown.Config?.Hostname).toBe(id.slice(0, 12));
  await remove(id);
});

test("volumes: anonymous ones are filled from the image and go with rm -v, named ones stay", async () => {
  const body: CreateBody = {
    Volumes: { "/etc": {} },
    HostConfig: { Binds: ["kept:/bin:ro"], Tmpfs: { "/t": "size=64k" } },
  };
  const id = await h.start(["sh", "-c", "cat /etc/passwd | head -1; mount | grep -c ' on /t '; touch /bin/x"], body);
  expect(await h.wait(id)).toBe(1);
  const log = await h.logs(id);
  expect(log).toContain("root:x:0:0:root:/root:/bin/sh\n1\n");
  expect(log).toContain("Read-only file system");
  const [bin, etc] = (await inspect(id)).Mounts ?? [];
  expect(bin).toMatchObject({ Type: "volume", Name: "kept", Destination: "/bin", RW: false, Mode: "ro" });
  expect(etc).toMatchObject({ Type: "volume", Destination: "/etc", RW: true, Driver: "local" });
  await expect(h.backend.volume.remove("kept", { force: false })).rejects.toMatchObject({ kind: "conflict" });
  const borrower = await h.create(["true"], host({ VolumesFrom: [`${id}:ro`] }));
  expect((await inspect(borrower)).Mounts?.map((m) => [m.Destination, m.RW])).toEqual([
    ["/bin", false],
    ["/etc", false],
  ]);
  await remove(id);
  await remove(borrower);
  expect((await h.backend.volume.list({})).Volumes.map((v) => v.Name)).toEqual(["kept"]);
  await h.backend.volume.remove("kept", { force: false });
});

test("a bind's missing host folder is made at start", async () => {
  const folder = `${h.root}/made/here`;
  const id = await h.start(["touch", "/x/file"], host({ Binds: [`${folder}:/x`] }));
  expect(await h.wait(id)).toBe(0);
  expect(existsSync(`${folder}/file`)).toBe(true);
  await remove(id);
  rmSync(folder, { recursive: true });
});

test("the container's own changes hold nothing that the engine put there", async () => {
  const id = await h.start(["touch", "/mine"]);
  await h.wait(id);
  expect(readdirSync(`${h.root}/data/containers/${id}/upper`)).toEqual(["mine"]);
  expect((await inspect(id)).SizeRw).toBe(0);
  await remove(id);
});

test("list: newest first, filters, and the status in words", async () => {
  const one = await h.create(["true"], { Labels: { a: "1", b: "" }, ExposedPorts: { "99/udp": {} } }, "first");
  const two = await h.start(["sh", "-c", "exit 3"], { Labels: { a: "2" } }, "second");
  await h.wait(two);
  const names = async (filters: Record<string, string[]>): Promise<string[]> => {
    const rows = await h.backend.container.list({ all: true, size: false, filters });
    return rows.map((r) => r.Names?.[0]?.slice(1) ?? "");
  };
  const rows = await h.backend.container.list({ all: true, size: false, filters: {} });
  expect(rows.map((r) => [r.Names, r.State, r.Command])).toEqual([
    [["/second"], "exited", "sh -c 'exit 3'"],
    [["/first"], "created", "true"],
  ]);
  expect(rows.map((r) => r.Status)).toEqual([expect.stringMatching(/^Exited \(3\) .* ago$/), "Created"]);
  expect(await h.backend.container.list({ all: false, size: false, filters: {} })).toEqual([]);
  const found = {
    label: await names({ label: ["a=1", "b"] }),
    name: await names({ name: ["^sec"] }),
    exited: await names({ exited: ["3"] }),
    status: await names({ status: ["created"] }),
    before: await names({ before: ["second"] }),
    since: await names({ since: [one] }),
    ancestor: await names({ ancestor: ["busybox"] }),
    expose: await names({ expose: ["90-100/udp"] }),
    none: await names({ label: ["a"], name: ["third"] }),
  };
  expect(found).toEqual({
    label: ["first"],
    name: ["second"],
    exited: ["second"],
    status: ["created"].map(() => "first"),
    before: ["first"],
    since: ["second"],
    ancestor: ["second", "first"],
    expose: ["first"],
    none: [],
  });
  await expect(names({ status: ["asleep"] })).rejects.toThrow("invalid filter 'status=asleep'");
  await expect(names({ color: ["red"] })).rejects.toThrow("invalid filter 'color'");
  const { ContainersDeleted: pruned } = await h.backend.container.prune({ "label!": ["a=1"] });
  expect(pruned).toEqual([two]);
  await remove(one);
});

test("update changes a running container's limits and its record", async () => {
  const id = await h.start(["sleep", "1000"], host({ Memory: 2 ** 26 }));
  await h.backend.container.update(id, {
    Memory: 2 ** 25,
    MemorySwap: 2 ** 26,
    PidsLimit: 7,
    RestartPolicy: { Name: "unless-stopped" },
  });
  expect((await inspect(id)).HostConfig).toMatchObject({
    Memory: 2 ** 25,
    PidsLimit: 7,
    RestartPolicy: { Name: "unless-stopped" },
  });
  const [sample] = await Array.fromAsync(
    await h.backend.container.stats(id, { stream: false, oneShot: true, signal: new AbortController().signal }),
  );
  expect(sample).toMatchObject({ id, memory_stats: { limit: 2 ** 25 }, pids_stats: { current: 1, limit: 7 } });
  expect((await h.backend.container.top(id, "-eo pid,args")).Processes?.map((p) => p[1])).toEqual(["sleep 1000"]);
  await expect(h.backend.container.update(id, { Memory: 1000 })).rejects.toThrow("Minimum memory limit allowed is 6MB");
  await remove(id);
});
