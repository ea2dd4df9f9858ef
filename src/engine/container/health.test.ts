import { afterAll, beforeAll, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import type { ContainerInspectResponse, HealthConfig } from "../../spec/engine-api.ts";
import { EngineHarness } from "../../testing/engine-harness.ts";

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open();
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

const MS = 1e6;
const remove = (id: string): Promise<void> =>
  h.backend.container.remove(id, { force: true, volumes: true, link: false });
const inspect = (id: string): Promise<ContainerInspectResponse> => h.backend.container.inspect(id, { size: false });
type Shown = NonNullable<NonNullable<ContainerInspectResponse["State"]>["Health"]>;
const health = async (id: string): Promise<Shown | undefined> => (await inspect(id)).State?.Health ?? undefined;
const status = async (id: string): Promise<string> =>
  (await h.backend.container.list({ all: true, size: false, filters: { id: [id] } }))[0]?.Status ?? "";

/** A container whose health is what the file /state/ok says, and the way to change it. */
async function patient(config: Partial<HealthConfig> = {}, body: object = {}) {
  const dir = `${h.root}/state-${crypto.randomUUID()}`;
  const check: HealthConfig = { Test: ["CMD-SHELL", "cat /state/ok"], Interval: 20 * MS, Retries: 2, ...config };
  const HostConfig = { Binds: [`${dir}:/state`], ...("HostConfig" in body ? (body.HostConfig as object) : {}) };
  const id = await h.create(["sleep", "1000"], { ...body, HostConfig, Healthcheck: check });
  await h.backend.container.start(id, {});
  const well = (): void => writeFileSync(`${dir}/ok`, "fine");
  const ill = async (): Promise<void> => Bun.file(`${dir}/ok`).delete();
  return { id, well, ill };
}

async function until(id: string, wanted: (health: Shown) => boolean): Promise<Shown> {
  for (;;) {
    const now = await health(id);
    if (now && wanted(now)) return now;
    await Bun.sleep(5);
  }
}

test("starting, unhealthy after its retries, healthy again at once; each change is an event", async () => {
  const { id, well } = await patient();
  expect((await health(id))?.Status).toBe("starting");
  expect(await status(id)).toMatch(/ \(health: starting\)$/);
  const sick = await until(id, (s) => s.Status === "unhealthy");
  expect(sick.FailingStreak).toBeGreaterThanOrEqual(2);
  expect(sick.Log?.at(-1)).toMatchObject({ ExitCode: 1, Output: expect.stringContaining("No such file") });
  expect(await status(id)).toMatch(/ \(unhealthy\)$/);
  well();
  const good = await until(id, (s) => s.Status === "healthy");
  expect(good.FailingStreak).toBe(0);
  expect(good.Log?.at(-1)).toMatchObject({ ExitCode: 0, Output: "fine" });
  expect(await status(id)).toMatch(/ \(healthy\)$/);
  const told = (await h.events(id)).map((e) => e.Action ?? "").filter((a) => a.startsWith("health_status"));
  expect(told).toEqual(["health_status: unhealthy", "health_status: healthy"]);
  await remove(id);
});

test("one failure does not make it unhealthy", async () => {
  const { id, well, ill } = await patient({ Retries: 1000 });
  well();
  await until(id, (s) => s.Status === "healthy");
  await ill();
  const failing = await until(id, (s) => (s.FailingStreak ?? 0) >= 3);
  expect(failing.Status).toBe("healthy");
  await remove(id);
});

test("failures in the start period do not count, a success ends it", async () => {
  const { id, well, ill } = await patient({ StartPeriod: 3_600_000 * MS, StartInterval: 20 * MS, Retries: 1 });
  const early = await until(id, (s) => (s.Log?.length ?? 0) >= 3);
  expect(early).toMatchObject({ Status: "starting", FailingStreak: 0 });
  well();
  await until(id, (s) => s.Status === "healthy");
  await ill();
  await until(id, (s) => s.Status === "unhealthy");
  await remove(id);
});

test("the last five checks are kept, with times and the first 4096 bytes", async () => {
  const { id } = await patient({ Test: ["CMD", "sh", "-c", "yes 0123456789 | head -n 1000"] });
  let last = "";
  for (let seen = 0; seen < 7; ) {
    const now = (await health(id))?.Log?.at(-1)?.Start ?? "";
    if (now !== last) seen++;
    last = now;
    await Bun.sleep(5);
  }
  const log = ((await health(id))?.Log ?? []).flatMap((entry) => entry ?? []);
  expect(log).toHaveLength(5);
  for (const entry of log) {
    expect(entry.Output).toEndWith("0123...");
    expect(entry.Output).toHaveLength(4096 + "...".length);
    expect(Date.parse(entry.End ?? "")).toBeGreaterThanOrEqual(Date.parse(entry.Start ?? ""));
  }
  const starts = log.map((entry) => entry.Start ?? "");
  expect([...starts].sort()).toEqual(starts);
  await remove(id);
});

test("a check that takes too long is killed and has failed", async () => {
  const { id } = await patient({ Test: ["CMD", "sleep", "1000"], Timeout: 50 * MS, Retries: 1 });
  const late = await until(id, (s) => s.Status === "unhealthy");
  expect(late.Log?.[0]).toMatchObject({ ExitCode: -1, Output: "Health check exceeded timeout (50ms)" });
  const { Processes: processes = [] } = await h.backend.container.top(id, "");
  expect(processes?.filter((row) => row.at(-1) === "sleep 1000").length).toBeLessThanOrEqual(2);
  await remove(id);
});

test("a command that cannot be run is a failed check, with the reason", async () => {
  const { id } = await patient({ Test: ["CMD", "nosuch"], Retries: 1 });
  const sick = await until(id, (s) => s.Status === "unhealthy");
  expect(sick.Log?.[0]?.Output).toContain('exec: "nosuch": executable file not found in $PATH');
  await remove(id);
});

test("the check sees the container's environment, user and folder", async () => {
  const body = { Env: ["WHO=me"], User: "1000:1000", WorkingDir: "/tmp" };
  const { id } = await patient({ Test: ["CMD-SHELL", "echo $WHO $(id -u) $PWD"] }, body);
  const good = await until(id, (s) => s.Status === "healthy");
  expect(good.Log?.[0]?.Output).toBe("me 1000 /tmp\n");
  await remove(id);
});

test("its execs are announced, and inspect does not count them as the person's", async () => {
  const { id, well } = await patient();
  well();
  await until(id, (s) => s.Status === "healthy");
  const events = (await h.events(id)).filter((e) => e.Action?.startsWith("exec_"));
  const [create, start, die] = events;
  expect(create?.Action).toBe("exec_create: /bin/sh -c cat /state/ok");
  expect(start?.Action).toBe("exec_start: /bin/sh -c cat /state/ok");
  expect(die?.Action).toBe("exec_die");
  const exec = create?.Actor?.Attributes?.["execID"] ?? "";
  expect([start, die].map((e) => e?.Actor?.Attributes?.["execID"])).toEqual([exec, exec]);
  expect((await inspect(id)).ExecIDs).toBeNull();
  await remove(id);
});

test.each([[["NONE"]], [[]], [undefined]])("no check where Test is %p", async (Test) => {
  const id = await h.start(["sleep", "1000"], { Healthcheck: Test === undefined ? {} : { Test } });
  expect(await health(id)).toBeUndefined();
  expect(await status(id)).toMatch(/^Up [^(]*$/);
  await remove(id);
});

test("health filters: each status, and none", async () => {
  const { id: sick } = await patient({ Retries: 1 });
  const plain = await h.start(["sleep", "1000"]);
  await until(sick, (s) => s.Status === "unhealthy");
  const found = async (value: string): Promise<string[]> =>
    (await h.backend.container.list({ all: false, size: false, filters: { health: [value] } })).map((c) => c.Id ?? "");
  expect(await found("unhealthy")).toEqual([sick]);
  expect(await found("none")).toEqual([plain]);
  expect(await found("healthy")).toEqual([]);
  for (const id of [sick, plain]) await remove(id);
});

test("what a check said before it took too long is told", async () => {
  const { id } = await patient({ Test: ["CMD-SHELL", "echo before; exec sleep 1000"], Timeout: 300 * MS, Retries: 1 });
  const said = "Health check exceeded timeout (300ms): before\n";
  await until(id, (s) => s.Log?.some((entry) => entry?.Output === said) === true);
  await remove(id);
});

test("a paused container is not checked and unhealthy; it is so until its next good check", async () => {
  const { id, well } = await patient();
  well();
  await until(id, (s) => s.Status === "healthy");
  await h.backend.container.pause(id);
  const frozen = await health(id);
  expect(frozen).toMatchObject({ Status: "unhealthy", FailingStreak: 0 });
  expect(await status(id)).toMatch(/ \(Paused\)$/);
  const filters = { health: ["unhealthy"], id: [id] };
  expect(await h.backend.container.list({ all: false, size: false, filters })).toHaveLength(1);
  await h.down();
  await h.up();
  expect(await health(id)).toEqual(frozen);
  await h.backend.container.unpause(id);
  await until(id, (s) => s.Status === "healthy" && s.Log?.at(-1)?.Start !== frozen?.Log?.at(-1)?.Start);
  const told = (await h.events(id)).map((e) => e.Action ?? "").filter((a) => !a.startsWith("exec_"));
  expect(told).toEqual(["unpause", "health_status: healthy"]);
  await remove(id);
});

test.each(["kill", "exit"])("a check that ends with its container is none: %s", async (how) => {
  const { id } = await patient({ Test: ["CMD-SHELL", "touch /state/begun; sleep 1000"], Retries: 1 });
  const mounts = (await inspect(id)).Mounts ?? [];
  while (!(await Bun.file(`${mounts[0]?.Source}/begun`).exists())) await Bun.sleep(5);
  const ended = h.backend.container.wait(id, {
    condition: "not-running",
    signal: new AbortController().signal,
    ready: () => undefined,
  });
  if (how === "kill") await h.backend.container.kill(id, {});
  else process.kill((await inspect(id)).State?.Pid ?? 0, "SIGKILL");
  await ended;
  expect(await health(id)).toEqual({ Status: "unhealthy", FailingStreak: 0, Log: [] });
  expect((await h.events(id)).filter((e) => e.Action?.startsWith("health_status"))).toEqual([]);
  await remove(id);
});

test("checks end with the run and begin anew with the next; what was found last stays to be seen", async () => {
  const { id, well } = await patient({ Interval: 200 * MS });
  well();
  await until(id, (s) => s.Status === "healthy");
  await h.backend.container.stop(id, { timeout: 0 });
  expect(h.engine.busy()).toBe(false);
  const ended = await health(id);
  expect(ended).toMatchObject({ Status: "unhealthy", FailingStreak: 0 });
  expect(await status(id)).toMatch(/^Exited \(137\) [^(]*$/);
  await h.backend.container.start(id, {});
  const again = await health(id);
  expect(again).toMatchObject({ Status: expect.stringMatching(/^(starting|healthy)$/), FailingStreak: 0 });
  expect(again?.Log).toContainEqual(ended?.Log?.at(-1) as never);
  await until(id, (s) => s.Status === "healthy" && s.Log?.at(-1)?.Start !== ended?.Log?.at(-1)?.Start);
  await remove(id);
});

test("the next daemon goes on where the last one was: no false alarm, no lost one", async () => {
  const { id, well } = await patient({ Interval: 50 * MS, Retries: 1 });
  await until(id, (s) => s.Status === "unhealthy");
  await h.down();
  await h.up();
  const taken = await health(id);
  expect(taken?.Status).toBe("unhealthy");
  expect(taken?.Log?.length).toBeGreaterThan(0);
  well();
  await until(id, (s) => s.Status === "healthy");
  const told = (await h.events(id)).map((e) => e.Action ?? "").filter((a) => a.startsWith("health_status"));
  expect(told).toEqual(["health_status: healthy"]);
  await h.backend.container.stop(id, { timeout: 0 });
  await h.down();
  await h.up();
  expect((await health(id))?.Status).toBe("unhealthy");
  await remove(id);
});

test("a daemon with a checked container has to stay", async () => {
  const { id } = await patient();
  expect(h.engine.busy()).toBe(true);
  await remove(id);
  expect(h.engine.busy()).toBe(false);
});
