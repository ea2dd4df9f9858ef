import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { runOk } from "../../host/spawn.ts";
import { EngineHarness, testClient, textOf } from "../../testing/engine-harness.ts";

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open();
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

const remove = (id: string): Promise<void> =>
  h.backend.container.remove(id, { force: true, volumes: true, link: false });
const state = async (id: string) => (await h.backend.container.inspect(id, { size: false })).State;

test("a container runs, its exit code, times and log are kept, and it can run again", async () => {
  const id = await h.start(["sh", "-c", "echo out; echo err >&2; exit 3"]);
  expect(await h.wait(id)).toBe(3);
  const first = await state(id);
  expect(first).toMatchObject({ Status: "exited", Running: false, ExitCode: 3, Pid: 0, OOMKilled: false, Error: "" });
  expect(Date.parse(first?.FinishedAt ?? "")).toBeGreaterThanOrEqual(Date.parse(first?.StartedAt ?? ""));
  expect((await h.logs(id)).split("\n").sort()).toEqual(["", "err", "out"]);
  await h.backend.container.start(id, {});
  expect(await h.wait(id)).toBe(3);
  expect((await h.logs(id)).match(/out/g)).toHaveLength(2);
  await remove(id);
  expect(readdirSync(`${h.root}/run/containers`)).toEqual([]);
  expect(existsSync(`${h.root}/data/containers/${id}`)).toBe(false);
});

test("docker run's order: attach before start loses no byte, then AutoRemove takes all away", async () => {
  const id = await h.create(["sh", "-c", "dd if=/dev/zero bs=1k count=2000 2>/dev/null | tr '\\0' x"], {
    HostConfig: { AutoRemove: true },
  });
  const client = testClient();
  const attached = h.backend.container.attach(
    id,
    { stdin: false, stdout: true, stderr: true, stream: true, logs: false },
    client.ready,
  );
  await client.isReady;
  const removed = h.wait(id, "removed");
  await h.backend.container.start(id, {});
  expect(await removed).toBe(0);
  await attached;
  expect(textOf(await client.output, false)).toBe("x".repeat(2000 * 1024));
  await expect(h.backend.container.inspect(id, { size: false })).rejects.toThrow(`No such container: ${id}`);
  expect(readdirSync(`${h.root}/data/containers`)).not.toContain(id);
});

test("stdin with half-close reaches the process, and its end too", async () => {
  const id = await h.create(["sh", "-c", "cat; echo done"], { OpenStdin: true, StdinOnce: true, AttachStdin: true });
  const client = testClient();
  const attached = h.backend.container.attach(
    id,
    { stdin: true, stdout: true, stderr: true, stream: true, logs: false },
    client.ready,
  );
  await client.isReady;
  await h.backend.container.start(id, {});
  client.type("hello\n");
  client.end();
  await attached;
  expect(textOf(await client.output, false)).toBe("hello\ndone\n");
  await remove(id);
});

test("the detach keys leave a tty without ending it", async () => {
  const id = await h.start(["cat"], { Tty: true, OpenStdin: true });
  const client = testClient();
  const attached = h.backend.container.attach(
    id,
    { stdin: true, stdout: true, stderr: true, stream: true, logs: false },
    client.ready,
  );
  await client.isReady;
  client.type("\x10\x11");
  await attached;
  expect((await state(id))?.Running).toBe(true);
  expect((await h.events(id)).map((e) => e.Action)).toEqual(["create", "start", "attach", "detach"]);
  await remove(id);
});

test.each([
  [["nosuch"], 127, 'exec: "nosuch": executable file not found in $PATH'],
  [["/nosuch"], 127, "no such file or directory"],
  [["/etc/passwd"], 126, 'exec: "/etc/passwd": permission denied'],
])("a command that cannot run: %p", async (cmd, code, words) => {
  const id = await h.create(cmd);
  await expect(h.backend.container.start(id, {})).rejects.toMatchObject({
    kind: "invalid-argument",
    message: expect.stringContaining(words),
  });
  await h.backend.container.start(id, {}).catch(() => undefined);
  expect(await state(id)).toMatchObject({ Status: "created", ExitCode: code, Error: expect.stringContaining(words) });
  expect(readdirSync(`${h.root}/run/containers`)).toEqual([]);
  await remove(id);
});

test("a failed start of an AutoRemove container removes it and ends its waits", async () => {
  const id = await h.create(["nosuch"], { HostConfig: { AutoRemove: true } });
  const removed = h.wait(id, "removed");
  await expect(h.backend.container.start(id, {})).rejects.toThrow("not found in $PATH");
  expect(await removed).toBe(127);
});

test("stop: a process 1 without a handler is killed at once, with the reason in the event", async () => {
  const id = await h.start(["sleep", "1000"]);
  await h.backend.container.stop(id, {});
  expect(await state(id)).toMatchObject({ Status: "exited", ExitCode: 137 });
  const events = await h.events(id);
  expect(events.map((e) => e.Action)).toEqual(["create", "start", "kill", "kill", "stop", "die"]);
  expect(events[2]?.Actor?.Attributes).toMatchObject({ signal: "15" });
  expect(events[3]?.Actor?.Attributes).toMatchObject({ signal: "9", reason: "no handler for SIGTERM" });
  expect(events[5]?.Actor?.Attributes).toMatchObject({ exitCode: "137" });
  await expect(h.backend.container.stop(id, {})).rejects.toMatchObject({ kind: "not-modified" });
  await remove(id);
});

test("stop: a handler is given its time, and no more than that", async () => {
  const good = await h.start(["sh", "-c", 'trap "exit 5" TERM; echo up; while :; do sleep 0.05; done']);
  const bad = await h.start(["sh", "-c", 'trap "" USR1; trap "echo no" TERM; echo up; while :; do sleep 0.05; done']);
  for (const id of [good, bad]) await firstLine(id);
  await h.backend.container.stop(good, {});
  expect((await state(good))?.ExitCode).toBe(5);
  await h.backend.container.stop(bad, { timeout: 0 });
  expect((await state(bad))?.ExitCode).toBe(137);
  for (const id of [good, bad]) await remove(id);
});

test("kill sends any signal; a stopped container is told so in Docker's words", async () => {
  const id = await h.start(["sh", "-c", 'trap "exit 9" USR1; echo up; while :; do sleep 0.05; done'], {}, "victim");
  await firstLine(id);
  await h.backend.container.kill(id, { signal: "USR1" });
  expect(await h.wait(id)).toBe(9);
  await expect(h.backend.container.kill("victim", {})).rejects.toThrow(
    `cannot kill container: victim: container ${id} is not running`,
  );
  await expect(h.backend.container.kill(id, { signal: "NOPE" })).rejects.toThrow("invalid signal: NOPE");
  await remove(id);
});

test("start, stop and remove at once end in one of the two states, with nothing left over", async () => {
  const id = await h.create(["sh", "-c", "while :; do sleep 0.05; done"]);
  const rm = { force: true, volumes: true, link: false };
  await Promise.allSettled([
    h.backend.container.start(id, {}),
    h.backend.container.stop(id, {}),
    h.backend.container.start(id, {}),
    h.backend.container.remove(id, rm),
    h.backend.container.remove(id, rm),
  ]);
  await h.backend.container.remove(id, rm).catch(() => undefined);
  await expect(h.backend.container.inspect(id, { size: false })).rejects.toMatchObject({ kind: "not-found" });
  expect(readdirSync(`${h.root}/run/containers`)).toEqual([]);
});

test("remove: a running one is refused in Docker's words, unless forced", async () => {
  const id = await h.start(["sleep", "1000"], {}, "runner");
  const options = { force: false, volumes: false, link: false };
  await expect(h.backend.container.remove("runner", options)).rejects.toThrow(
    'cannot remove container "runner": container is running: stop the container before removing or force remove',
  );
  await h.backend.container.remove("runner", { ...options, force: true });
  await expect(h.backend.container.remove(id, options)).rejects.toMatchObject({ kind: "not-found" });
});

test("restart policy on-failure: started again n times, with growing delays, then left", async () => {
  const id = await h.create(["false"], { HostConfig: { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 } } });
  await h.backend.container.start(id, {});
  expect(await h.rest(id)).toBe(1);
  expect((await h.backend.container.inspect(id, { size: false })).RestartCount).toBe(2);
  const actions = (await h.events(id)).map((e) => e.Action);
  expect(actions).toEqual(["create", "start", "die", "start", "die", "start", "die"]);
  await remove(id);
});

test("a stop by hand ends restarts, also while one waits", async () => {
  const id = await h.start(["false"], { HostConfig: { RestartPolicy: { Name: "always" } } });
  await h.wait(id, "next-exit");
  await h.backend.container.stop(id, { timeout: 0 });
  expect((await state(id))?.Status).toBe("exited");
  expect(h.engine.busy()).toBe(false);
  await remove(id);
});

test("restart keeps an AutoRemove container", async () => {
  const id = await h.start(["sleep", "1000"], { HostConfig: { AutoRemove: true } });
  const before = (await state(id))?.Pid;
  await h.backend.container.restart(id, { timeout: 0 });
  const after = await state(id);
  expect(after?.Running).toBe(true);
  expect(after?.Pid).not.toBe(before);
  await remove(id);
});

test("memory beyond the limit: OOMKilled, 137 and an event", async () => {
  const id = await h.start(["sh", "-c", "tail /dev/zero"], { HostConfig: { Memory: 8 * 1024 * 1024 } });
  expect(await h.wait(id)).toBe(137);
  expect((await state(id))?.OOMKilled).toBe(true);
  expect((await h.events(id)).map((e) => e.Action)).toContain("oom");
  await remove(id);
});

test.each([false, true])(
  "memory that runs out in a child is told at once, by the next daemon too: %p",
  async (restarted) => {
    const script = "read go </gate/go; tail /dev/zero; sleep 1000";
    const dir = `${h.root}/oom-${restarted}`;
    mkdirSync(dir);
    await runOk(["mkfifo", `${dir}/go`]);
    const id = await h.start(["sh", "-c", script], {
      HostConfig: { Memory: 8 * 1024 * 1024, Binds: [`${dir}:/gate`] },
    });
    if (restarted) {
      await h.down();
      await h.up();
    }
    await writeFile(`${dir}/go`, "now\n");
    while (!(await state(id))?.OOMKilled) await Bun.sleep(5);
    expect((await state(id))?.Status).toBe("running");
    expect((await h.events(id)).at(-1)?.Action).toBe("oom");
    await h.backend.container.stop(id, { timeout: 0 });
    expect(await state(id)).toMatchObject({ OOMKilled: true, ExitCode: 137 });
    const actions = (await h.events(id)).map((e) => e.Action).filter((action) => action === "oom" || action === "die");
    expect(actions).toEqual(["oom", "die"]);
    await h.backend.container.start(id, {});
    expect((await state(id))?.OOMKilled).toBe(false);
    await remove(id);
  },
);

async function firstLine(id: string): Promise<void> {
  const abort = new AbortController();
  const { stream } = await h.backend.container.logs(id, {
    stdout: true,
    stderr: false,
    follow: true,
    timestamps: false,
    signal: abort.signal,
  });
  for await (const _ of stream) abort.abort();
}
