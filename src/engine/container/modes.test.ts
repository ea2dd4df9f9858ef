import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import type { CreateBody } from "../../api/backend.ts";
import type { HostConfig } from "../../spec/engine-api.ts";
import { EngineHarness } from "../../testing/engine-harness.ts";
import { checkModes, sharedWith } from "./modes.ts";

let h: EngineHarness;
let donor = "";
beforeAll(async () => {
  h = await EngineHarness.open();
  donor = await h.start(["sleep", "1000"], { Hostname: "given", HostConfig: { IpcMode: "shareable" } }, "donor");
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

const remove = (id: string): Promise<void> =>
  h.backend.container.remove(id, { force: true, volumes: true, link: false });
const inspect = (id: string) => h.backend.container.inspect(id, { size: false });
const host = (HostConfig: HostConfig): CreateBody => ({ HostConfig });
const pidOf = async (id: string): Promise<number> => (await inspect(id)).State?.Pid ?? 0;
const namespace = async (id: string, kind: string): Promise<string> =>
  readlinkSync(`/proc/${await pidOf(id)}/ns/${kind}`);

test.each([
  ["container:abc", "abc"],
  ["container:", ""],
  ["host", undefined],
  ["", undefined],
  [undefined, undefined],
])("%p is shared with %p", (mode, other) => {
  expect(sharedWith(mode)).toBe(other);
});

test.each<[CreateBody, HostConfig]>([
  [{}, {}],
  [{}, { PidMode: "host", IpcMode: "host", UTSMode: "host", CgroupnsMode: "host" }],
  [{}, { IpcMode: "none" }],
  [{}, { IpcMode: "private", CgroupnsMode: "private" }],
  [{ Hostname: "x" }, { NetworkMode: "host" }],
  [
    { Hostname: "x", ExposedPorts: { "80/tcp": {} } },
    { NetworkMode: "bridge", PublishAllPorts: true },
  ],
  [{}, { NetworkMode: "container:x", Dns: [], ExtraHosts: [], PortBindings: {}, Links: [] }],
])("%p with %p is fine", (own, modes) => {
  expect(() => checkModes(own, modes)).not.toThrow();
});

test.each<[HostConfig, string]>([
  [{ PidMode: "bogus" }, "invalid PID mode: bogus"],
  [{ PidMode: "container:" }, "invalid PID mode: container:"],
  [{ PidMode: "private" }, "invalid PID mode: private"],
  [{ IpcMode: "bogus" as "host" }, "invalid IPC mode: bogus"],
  [{ IpcMode: "container:" }, "invalid IPC mode: container:"],
  [{ UTSMode: "container:x" }, "invalid UTS mode: container:x"],
  [{ CgroupnsMode: "bogus" as "host" }, "invalid cgroup namespace mode: bogus"],
  [{ NetworkMode: "container:" }, "invalid network mode: invalid container format container:<name|id>"],
  [
    { NetworkMode: "container:x", Links: ["a:b"] },
    "conflicting options: container type network can't be used with links. This would result in undefined behavior",
  ],
])("%p is refused: %s", (modes, words) => {
  expect(() => checkModes({}, modes)).toThrow(words);
});

test("a mode is kept with the other's id: a rename does not change whom it means", async () => {
  const other = await h.start(["sleep", "1000"], {}, "renamed-later");
  const id = await h.create(
    ["true"],
    host({ PidMode: "container:renamed-later", NetworkMode: `container:${other.slice(0, 12)}` }),
  );
  await h.backend.container.rename(other, "another-name");
  await h.create(["true"], {}, "renamed-later");
  expect((await inspect(id)).HostConfig).toMatchObject({
    ...{ PidMode: `container:${other}`, NetworkMode: `container:${other}` },
  });
  await h.backend.container.start(id, {});
  expect(await h.wait(id)).toBe(0);
  for (const one of [id, other, "renamed-later"]) await remove(one);
});

test("each namespace is joined where it was asked for, and only there", async () => {
  const shared = async (modes: HostConfig): Promise<string[]> => {
    const id = await h.start(["sleep", "1000"], host(modes));
    const same: string[] = [];
    for (const kind of ["pid", "ipc", "net", "uts", "mnt"]) {
      if ((await namespace(id, kind)) === (await namespace(donor, kind))) same.push(kind);
    }
    await remove(id);
    return same;
  };
  expect(await shared({})).toEqual([]);
  expect(await shared({ PidMode: "container:donor" })).toEqual(["pid"]);
  expect(await shared({ IpcMode: "container:donor" })).toEqual(["ipc"]);
  expect(await shared({ NetworkMode: "container:donor" })).toEqual(["net"]);
  expect(
    await shared({ PidMode: "container:donor", IpcMode: "container:donor", NetworkMode: "container:donor" }),
  ).toEqual([...["pid", "ipc", "net"]]);
});

test("the host name and the files are the donor's; the container's own folder has none", async () => {
  const id = await h.create(["cat", "/etc/hostname"], host({ NetworkMode: "container:donor" }));
  expect((await inspect(id)).Config?.Hostname).toBe(id.slice(0, 12));
  await h.backend.container.start(id, {});
  expect(await h.wait(id)).toBe(0);
  expect(await h.logs(id)).toBe("given\n");
  const [own, theirs] = [await inspect(id), await inspect(donor)];
  expect(own.Config?.Hostname).toBe("given");
  expect([own.HostsPath, own.HostnamePath, own.ResolvConfPath]).toEqual([
    ...[theirs.HostsPath, theirs.HostnamePath, theirs.ResolvConfPath],
  ]);
  expect(own.NetworkSettings?.Networks).toEqual({});
  expect(readdirSync(`${h.root}/data/containers/${id}`).filter((n) => n.startsWith("host"))).toEqual([]);
  await remove(id);
  expect(existsSync(theirs.HostsPath ?? "")).toBe(true);
});

test("shared memory goes with its last user, not with its owner", async () => {
  const owner = await h.start(["sleep", "1000"], host({ IpcMode: "shareable" }), "owner");
  const guest = await h.start(
    ["sh", "-c", "while [ ! -e /dev/shm/go ]; do sleep 0.01; done; cat /dev/shm/go"],
    host({ IpcMode: "container:owner" }),
  );
  const folder = `${h.root}/run/shm/${owner}`;
  await remove(owner);
  expect(existsSync(folder)).toBe(true);
  await Bun.write(`${folder}/go`, "still here");
  expect(await h.wait(guest)).toBe(0);
  expect(await h.logs(guest)).toBe("still here");
  await remove(guest);
  expect(existsSync(folder)).toBe(false);
  expect(existsSync(`${h.root}/run/shm/${donor}`)).toBe(true);
});

test("shared memory survives the daemon, and a stale folder does not", async () => {
  await Bun.write(`${h.root}/run/shm/${donor}/kept`, "1");
  await Bun.write(`${h.root}/run/shm/${"f".repeat(64)}/stale`, "1");
  await h.down();
  await h.up();
  expect(readdirSync(`${h.root}/run/shm`)).toEqual([donor]);
  expect(existsSync(`${h.root}/run/shm/${donor}/kept`)).toBe(true);
});

test("one that joins a pid namespace ends alone, by stop and by kill", async () => {
  const id = await h.start(["sleep", "1000"], host({ PidMode: "container:donor" }));
  await h.backend.container.stop(id, { timeout: 0 });
  expect((await inspect(id)).State).toMatchObject({ Status: "exited" });
  await h.backend.container.start(id, {});
  await h.backend.container.kill(id, {});
  expect((await inspect(id)).State).toMatchObject({ Status: "exited", ExitCode: 137 });
  expect((await inspect(donor)).State?.Running).toBe(true);
  await remove(id);
});

test("the end of a pid namespace's owner ends all that joined it", async () => {
  const owner = await h.start(["sleep", "1000"], {}, "pid-owner");
  const guest = await h.start(["sleep", "1000"], host({ PidMode: "container:pid-owner" }));
  const ended = h.wait(guest);
  await h.backend.container.kill(owner, {});
  expect(await ended).toBe(137);
  await expect(h.backend.container.start(guest, {})).rejects.toThrow(
    `failed to join PID namespace: container ${owner} is not running`,
  );
  expect((await inspect(guest)).State).toMatchObject({ Status: "exited", ExitCode: 128 });
  for (const id of [guest, owner]) await remove(id);
});

test("a start that cannot join is recorded with its words and leaves nothing", async () => {
  const stopped = await h.create(["true"], {}, "stopped-donor");
  const cases: [HostConfig, string][] = [
    [{ PidMode: "container:stopped-donor" }, `failed to join PID namespace: container ${stopped} is not running`],
    [{ IpcMode: "container:stopped-donor" }, `failed to join IPC namespace: container ${stopped} is not running`],
    [
      { NetworkMode: "container:stopped-donor" },
      "cannot join network namespace of a non running container: container stopped-donor is created",
    ],
    [{ NetworkMode: "container:nosuch" }, "joining network namespace of container: No such container: nosuch"],
  ];
  for (const [modes, words] of cases) {
    const id = await h.create(["true"], host(modes));
    await expect(h.backend.container.start(id, {})).rejects.toThrow(words);
    expect((await inspect(id)).State).toMatchObject({ Status: "created", ExitCode: 128, Error: words });
    expect(readdirSync(`${h.root}/run/containers`)).toEqual([donor]);
    await remove(id);
  }
  await remove(stopped);
});

test("a container that shares with itself cannot be made", async () => {
  await expect(h.create(["true"], host({ PidMode: "container:myself" }), "myself")).rejects.toThrow(
    "No such container: myself",
  );
});
