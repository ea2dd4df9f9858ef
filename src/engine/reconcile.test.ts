import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { helperPath } from "../host/embedded.ts";
import { chunked, dockerArchive, tar } from "../image/fixture.ts";
import { openRecords } from "../store/records.ts";
import type { Records } from "../store/types.ts";
import { collect, EngineHarness, never, testClient, textOf } from "../testing/engine-harness.ts";
import { monitorOf } from "../testing/processes.ts";
import type { ContainerRecord } from "./record.ts";

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open();
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

beforeEach(() => rmSync(`${h.root}/go`, { recursive: true, force: true }));

const state = async (id: string) => (await h.backend.container.inspect(id, { size: false })).State;
const remove = (id: string): Promise<void> =>
  h.backend.container.remove(id, { force: true, volumes: true, link: false });

/** What a container does first, so that it ends when the test wants: it waits for the file that `go` makes. */
const WAIT = "while [ ! -e /go/now ]; do sleep 0.01; done";
const gate = () => ({ Binds: [`${h.root}/go:/go`] });
const go = (): void => writeFileSync(`${h.root}/go/now`, "");

/** Until the process of a state folder has ended and its monitor has written the exit file. */
async function untilExited(id: string): Promise<void> {
  while (!existsSync(`${h.root}/run/containers/${id}/exit`)) await new Promise((done) => setTimeout(done, 5));
}

test("a running container runs on under the next daemon, and its exit is handled there", async () => {
  const id = await h.start(["sh", "-c", "read line; echo got $line; exit 6"], { OpenStdin: true });
  const before = await state(id);
  await h.down();
  await h.up();
  expect(await state(id)).toEqual(before ?? null);
  const exit = h.wait(id);
  const client = testClient();
  const attached = h.backend.container.attach(
    id,
    { stdin: true, stdout: true, stderr: true, stream: true, logs: false },
    client.ready,
  );
  client.type("word\n");
  await attached;
  expect(await exit).toBe(6);
  expect(textOf(await client.output, false)).toBe("got word\n");
  await remove(id);
});

test("one that ended while no daemon was there has its exit code, its times, its whole log and its event", async () => {
  const id = await h.start(["sh", "-c", `${WAIT}; for i in $(seq 300); do echo $i; done; exit 7`], {
    HostConfig: gate(),
  });
  await h.down();
  go();
  await untilExited(id);
  const [, finished] = /^(?:\S+ ){4}(\S+)/.exec(readFileSync(`${h.root}/run/containers/${id}/exit`, "utf8")) ?? [];
  await h.up();
  expect(await state(id)).toMatchObject({ Status: "exited", ExitCode: 7 });
  expect(Date.parse((await state(id))?.FinishedAt ?? "")).toBe(Number(finished));
  expect(await h.wait(id)).toBe(7);
  expect(await h.logs(id)).toBe(Array.from({ length: 300 }, (_, i) => `${i + 1}\n`).join(""));
  expect((await h.events(id)).find((e) => e.Action === "die")?.Actor?.Attributes).toMatchObject({ exitCode: "7" });
  expect(existsSync(`${h.root}/run/containers/${id}`)).toBe(false);
  await remove(id);
});

test("an AutoRemove container that ended meanwhile is removed, with its anonymous volumes", async () => {
  const id = await h.start(["sh", "-c", WAIT], {
    HostConfig: { AutoRemove: true, ...gate() },
    Volumes: { "/data": {} },
  });
  await h.down();
  go();
  await untilExited(id);
  await h.up();
  await expect(h.backend.container.inspect(id, { size: false })).rejects.toMatchObject({ kind: "not-found" });
  expect((await h.backend.volume.list({})).Volumes).toEqual([]);
  expect(readdirSync(`${h.root}/run/containers`)).toEqual([]);
});

test("an AutoRemove container that runs is taken up, though its start was not recorded", async () => {
  const id = await h.start(["sleep", "1000"], { HostConfig: { AutoRemove: true } });
  const before = await state(id);
  await h.down();
  await h.up();
  expect(await state(id)).toEqual(before ?? null);
  const removed = h.wait(id, "removed");
  await h.backend.container.kill(id, {});
  expect(await removed).toBe(137);
});

test("one that was restarted is AutoRemove's under the next daemon too", async () => {
  const id = await h.start(["sleep", "1000"], { HostConfig: { AutoRemove: true } });
  await h.backend.container.restart(id, { timeout: 0 });
  await h.down();
  await h.up();
  expect((await h.backend.container.inspect(id, { size: false })).HostConfig?.AutoRemove).toBe(true);
  const removed = h.wait(id, "removed");
  await h.backend.container.kill(id, {});
  expect(await removed).toBe(137);
});

test("a killed monitor and its container: exit code 255 at most, nothing is left", async () => {
  const id = await h.start(["sleep", "1000"]);
  const pid = (await state(id))?.Pid ?? 0;
  const monitor = await monitorOf(pid);
  await h.down();
  process.kill(monitor, "SIGKILL");
  await h.up();
  expect(await state(id)).toMatchObject({ Status: "exited", ExitCode: 255, Error: expect.stringContaining("monitor") });
  expect(existsSync(`/proc/${pid}/exe`)).toBe(false);
  await h.backend.container.start(id, {});
  expect((await state(id))?.Running).toBe(true);
  await remove(id);
});

test("half-made and half-removed containers are finished or undone", async () => {
  const id = await h.create(["true"]);
  await h.down();
  // As a kill leaves it between the folder and the record of a create, and between the rename and the record's end in a removal.
  mkdirSync(`${h.root}/data/containers/${"f".repeat(64)}/upper`, { recursive: true });
  mkdirSync(`${h.root}/data/tmp`, { recursive: true });
  renameSync(`${h.root}/data/containers/${id}`, `${h.root}/data/tmp/removed-${id}`);
  await h.up();
  expect(readdirSync(`${h.root}/data/containers`)).toEqual([]);
  expect(readdirSync(`${h.root}/data/tmp`)).toEqual([]);
  expect(await h.backend.container.list({ all: true, size: false, filters: {} })).toEqual([]);
});

test("restart policies at start-up: always and unless-stopped start, what was stopped by hand only under always", async () => {
  const policy = (Name: "always" | "unless-stopped" | "on-failure") => ({ HostConfig: { RestartPolicy: { Name } } });
  const always = await h.start(["sleep", "1000"], policy("always"));
  const unless = await h.start(["sleep", "1000"], policy("unless-stopped"));
  const never = await h.create(["sleep", "1000"], policy("always"));
  for (const id of [always, unless]) await h.backend.container.stop(id, { timeout: 0 });
  await h.down();
  await h.up();
  expect((await state(always))?.Running).toBe(true);
  expect((await state(unless))?.Running).toBe(false);
  expect((await state(never))?.Status).toBe("created");
  for (const id of [always, unless, never]) await remove(id);
});

test("logs -f goes on over the daemon's restart without a missing or doubled line", async () => {
  const id = await h.start(["sh", "-c", "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo $i; sleep 0.01; done"]);
  await h.down();
  await h.up();
  const wanted = { stdout: true, stderr: true, follow: true, timestamps: false, signal: never() };
  const { stream } = await h.backend.container.logs(id, wanted);
  const text = textOf(await collect(stream), false);
  expect(text).toBe(Array.from({ length: 60 }, (_, i) => `${i + 1}\n`).join(""));
  await remove(id);
});

test("execs of a killed daemon: one that runs goes on and takes its folder along, one that never started is ended", async () => {
  const id = await h.start(["sleep", "1000"]);
  const folder = `${h.root}/run/containers/${id}/exec`;
  const { Id: exec } = await h.backend.exec.create(id, {
    Cmd: ["sh", "-c", "while [ ! -e /go ]; do sleep 0.01; done"],
  });
  await h.backend.exec.start(exec, { detach: true, tty: false }, testClient().ready);
  await h.down();
  // As a kill leaves it between launch and start.
  const idle = `${folder}/${"e".repeat(64)}`;
  mkdirSync(idle);
  writeFileSync(`${idle}/process.json`, readFileSync(`${folder}/${exec}/process.json`));
  const running = readFileSync(`${folder}/${exec}/exec.conf`);
  writeFileSync(`${idle}/exec.conf`, running);
  expect(await Bun.spawn([helperPath(`${h.root}/data/helper`), "exec", idle]).exited).toBe(0);
  await h.up();
  expect(readdirSync(folder)).toEqual([exec]);
  const loops = async (): Promise<number> =>
    ((await h.backend.container.top(id, "")).Processes ?? []).filter((row) => row?.at(-1)?.includes("while")).length;
  expect(await loops()).toBe(1);
  const { Id: end } = await h.backend.exec.create(id, { Cmd: ["touch", "/go"] });
  await h.backend.exec.start(end, { detach: true, tty: false }, testClient().ready);
  while (readdirSync(folder).length > 0) await new Promise((done) => setTimeout(done, 5));
  expect(await loops()).toBe(0);
  await remove(id);
});

const volumeNames = async (): Promise<string[]> => (await h.backend.volume.list({})).Volumes.map((v) => v.Name);

/** What a killed daemon may have written: the records while no daemon has them. */
function inRecords(write: (records: Records) => void): void {
  const records = openRecords(`${h.root}/data/berth.db`);
  try {
    write(records);
  } finally {
    records.close();
  }
}

test.each([true, false])("a removal that was cut off ends as it began, with its volumes: %p", async (volumes) => {
  const before = await volumeNames();
  const id = await h.create(["true"], { Volumes: { "/anonymous": {} } });
  expect(await volumeNames()).toHaveLength(before.length + 1);
  await h.down();
  inRecords((records) => {
    const table = records.table<ContainerRecord>("containers");
    const record = table.get(id);
    if (record) table.put(id, { ...record, removeVolumes: volumes });
  });
  renameSync(`${h.root}/data/containers/${id}`, `${h.root}/data/tmp/removed-${id}`);
  await h.up();
  await expect(h.backend.container.inspect(id, { size: false })).rejects.toThrow("No such container");
  expect(await volumeNames()).toHaveLength(before.length + (volumes ? 0 : 1));
});

test("a removal with volumes that failed says nothing of a later one without", async () => {
  const before = await volumeNames();
  const id = await h.create(["true"], { Volumes: { "/anonymous": {} } });
  await h.down();
  inRecords((records) => {
    const table = records.table<ContainerRecord>("containers");
    const record = table.get(id);
    if (record) table.put(id, { ...record, removeVolumes: true });
  });
  await h.up();
  await h.backend.container.remove(id, { force: false, volumes: false, link: false });
  expect(await volumeNames()).toHaveLength(before.length + 1);
});

test("anonymous volumes of a creation that was cut off go, those of a person and of whole containers stay", async () => {
  const id = await h.create(["true"], { Volumes: { "/anonymous": {} } });
  await h.backend.volume.create({ Name: "kept" });
  const before = await volumeNames();
  await h.down();
  const half = "0".repeat(64);
  mkdirSync(`${h.root}/data/volumes/${half}/_data`, { recursive: true });
  writeFileSync(`${h.root}/data/volumes/${half}/_data/copied`, "from the image");
  inRecords((records) => {
    const labels = { "com.docker.volume.anonymous": "" };
    const createdAt = "2026-01-01T00:00:00Z";
    records.table("volumes").put(half, { name: half, createdAt, labels, unsettled: true });
  });
  await h.up();
  expect(await volumeNames()).toEqual(before);
  expect(existsSync(`${h.root}/data/volumes/${half}`)).toBe(false);
  await remove(id);
});

test("what killed work left of layers and blobs is swept at the start; what containers need of removed images stays", async () => {
  const layer = tar({ name: "f", data: "content" });
  const loading = h.backend.image.load(chunked(dockerArchive({ layers: [layer], tags: ["used:1"] })), { quiet: true });
  for await (const _ of loading);
  const id = await h.create(["x"], { Image: "used:1" });
  await h.backend.image.remove("used:1", { force: true, noprune: false });
  const before = h.layers.list();
  await h.layers.applyStream(chunked(tar({ name: "lost", data: "layer" })), {});
  const blobs = `${h.root}/data/content/blobs/sha256`;
  const kept = readdirSync(blobs);
  writeFileSync(`${blobs}/${"0".repeat(64)}`, "lost");
  await h.down();
  await h.up();
  expect(h.layers.list()).toEqual(before);
  expect(readdirSync(blobs).sort()).toEqual(kept.sort());
  await remove(id);
  expect(h.layers.list()).toHaveLength(before.length - 1);
});
