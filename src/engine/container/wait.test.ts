import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { EngineHarness } from "../../testing/engine-harness.ts";

// Waits, restarts and AutoRemove: what one client sees of another's doing.

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

/** Ends with `code` when `go` is called. */
async function gated(code: number, body: { HostConfig?: object } = {}): Promise<{ id: string; go: () => void }> {
  const dir = `${h.root}/gate-${crypto.randomUUID()}`;
  mkdirSync(dir);
  const script = `while [ ! -e /gate/go ]; do sleep 0.01; done; rm -f /gate/go; exit ${code}`;
  const HostConfig = { Binds: [`${dir}:/gate`], ...body.HostConfig };
  const id = await h.create(["sh", "-c", script], { HostConfig });
  return { id, go: () => writeFileSync(`${dir}/go`, "") };
}

test("not-running: at once for one that is at rest, with the code of its last run", async () => {
  const { id, go } = await gated(7);
  expect(await h.wait(id)).toBe(0);
  await h.backend.container.start(id, {});
  const waiting = h.wait(id);
  go();
  expect(await waiting).toBe(7);
  expect(await h.wait(id)).toBe(7);
  await remove(id);
});

test("next-exit: waits also where nothing runs yet, and sees one exit each", async () => {
  const { id, go } = await gated(5);
  const first = h.wait(id, "next-exit");
  await h.backend.container.start(id, {});
  go();
  expect(await first).toBe(5);
  const second = h.wait(id, "next-exit");
  await h.backend.container.start(id, {});
  await h.backend.container.kill(id, {});
  expect(await second).toBe(137);
  await remove(id);
});

test("removed: only the removal ends it, with the code of the last run", async () => {
  const { id, go } = await gated(6);
  let ended = false;
  const removed = h.wait(id, "removed").finally(() => (ended = true));
  await h.backend.container.start(id, {});
  go();
  await h.wait(id);
  expect(ended).toBe(false);
  await remove(id);
  expect(await removed).toBe(6);
});

test("a removal ends all waits", async () => {
  const id = await h.create(["true"]);
  const waits = [h.wait(id, "next-exit"), h.wait(id, "removed")];
  await remove(id);
  expect(await Promise.all(waits)).toEqual([0, 0]);
});

test("many wait for one", async () => {
  const { id, go } = await gated(9);
  await h.backend.container.start(id, {});
  const waits = Array.from({ length: 50 }, (_, i) => h.wait(id, i % 2 === 0 ? "not-running" : "next-exit"));
  go();
  expect(new Set(await Promise.all(waits))).toEqual(new Set([9]));
  await remove(id);
});

test("a client that leaves ends its wait; ready comes before anything can be missed", async () => {
  const id = await h.start(["sleep", "1000"]);
  const abort = new AbortController();
  const order: string[] = [];
  const wait = h.backend.container
    .wait(id, { condition: "next-exit", signal: abort.signal, ready: () => void order.push("ready") })
    .catch((error: Error) => void order.push(error.message));
  expect(order).toEqual(["ready"]);
  abort.abort();
  await wait;
  expect(order).toEqual(["ready", "the wait was cancelled"]);
  await remove(id);
});

test("not-running ends with the next exit also where a policy restarts it, as next-exit does", async () => {
  const { id, go } = await gated(2, { HostConfig: { RestartPolicy: { Name: "always" } } });
  await h.backend.container.start(id, {});
  const waits = [h.wait(id), h.wait(id, "next-exit")];
  go();
  expect(await Promise.all(waits)).toEqual([2, 2]);
  expect(await state(id)).toMatchObject({ Running: true });
  await remove(id);
});

test.each(["stop", "kill", "remove"] as const)("%s ends the waits of one that waits for its restart", async (how) => {
  const { id, go } = await gated(3, { HostConfig: { RestartPolicy: { Name: "always" } } });
  await h.backend.container.start(id, {});
  // Each wait for a restart is twice as long as the last.
  for (let times = 0; times < 3; times++) {
    const end = h.wait(id);
    go();
    await end;
  }
  const waits = [h.wait(id), h.wait(id, "next-exit"), ...(how === "remove" ? [h.wait(id, "removed")] : [])];
  if (how === "remove") await remove(id);
  else await h.backend.container[how](id, {});
  for (const code of await Promise.all(waits)) expect([3, 137]).toContain(code);
  if (how === "remove") return;
  expect(await state(id)).toMatchObject({ Status: "exited", Running: false, Restarting: false });
  await remove(id);
});

test("a restart by hand of one that waits for its restart is a stop and a start, and counts anew", async () => {
  const script = "test -e /again && exec sleep 1000; touch /again; exit 1";
  const id = await h.create(["sh", "-c", script], { HostConfig: { RestartPolicy: { Name: "always" } } });
  const first = h.wait(id, "next-exit");
  await h.backend.container.start(id, {});
  await first;
  await h.backend.container.restart(id, { timeout: 0 });
  expect(await state(id)).toMatchObject({ Status: "running" });
  expect((await h.backend.container.inspect(id, { size: false })).RestartCount).toBe(0);
  const actions = (await h.events(id)).map((e) => e.Action);
  expect(actions.slice(-3)).toEqual(["stop", "start", "restart"]);
  await remove(id);
});

test.each<["always" | "unless-stopped" | "on-failure" | "no", number, boolean]>([
  ["always", 0, true],
  ["always", 1, true],
  ["unless-stopped", 0, true],
  ["on-failure", 0, false],
  ["on-failure", 1, true],
  ["no", 1, false],
])("policy %s after exit code %p: again is %p", async (Name, code, again) => {
  const id = await h.create(["sh", "-c", `exit ${code}`], { HostConfig: { RestartPolicy: { Name } } });
  const first = h.wait(id, "next-exit");
  await h.backend.container.start(id, {});
  await first;
  if (again) {
    while ((await h.backend.container.inspect(id, { size: false })).RestartCount === 0) await Bun.sleep(5);
    while ((await h.events(id)).filter((e) => e.Action === "start").length < 2) await Bun.sleep(5);
  } else {
    expect(await state(id)).toMatchObject({ Status: "exited", ExitCode: code });
  }
  await remove(id);
});

test.each(["always", "unless-stopped"] as const)(
  "policy %s leaves one that a person stopped or killed",
  async (Name) => {
    for (const end of ["stop", "kill"] as const) {
      const id = await h.start(["sleep", "1000"], { HostConfig: { RestartPolicy: { Name } } });
      if (end === "stop") await h.backend.container.stop(id, { timeout: 0 });
      else await h.backend.container.kill(id, {});
      expect(await state(id)).toMatchObject({ Status: "exited", ExitCode: 137, Restarting: false });
      expect(h.engine.busy()).toBe(false);
      await remove(id);
    }
  },
);

test.each([
  [undefined, "on-failure", "exited"],
  ["TERM", "on-failure", "running"],
  ["TERM", "unless-stopped", "exited"],
] as const)("a signal beside the stop signal %p ends restarts by %s: %s", async (stopSignal, policy, status) => {
  const script = 'test -e /again && exec sleep 1000; touch /again; trap "exit 1" USR1; echo up; while :; do :; done';
  const id = await h.start(["sh", "-c", script], {
    HostConfig: { RestartPolicy: { Name: policy } },
    ...(stopSignal ? { StopSignal: stopSignal } : {}),
  });
  while (!(await h.logs(id)).includes("up")) await Bun.sleep(5);
  await h.backend.container.kill(id, { signal: "USR1" });
  expect(await h.wait(id, "next-exit")).toBe(1);
  const shown = async () => (await h.backend.container.inspect(id, { size: false })).State?.Status ?? "";
  while ((await shown()) === "restarting") await Bun.sleep(5);
  expect(await shown()).toBe(status);
  await remove(id);
});

test("one that waits for its restart is shown so, can be started, stopped and removed", async () => {
  const body = { HostConfig: { RestartPolicy: { Name: "always" as const } } };
  const id = await h.start(["false"], body);
  while ((await state(id))?.Status !== "restarting") await Bun.sleep(1);
  const shown = await state(id);
  if (shown?.Status === "restarting") expect(shown).toMatchObject({ Running: true, Restarting: true, Pid: 0 });
  expect(h.engine.busy()).toBe(true);
  await h.backend.container.remove(id, { force: false, volumes: false, link: false }).then(
    () => expect().fail("a restarting container was removed without force"),
    (error: Error) => expect(error.message).toContain("stop the container before removing or force remove"),
  );
  await remove(id);
  expect(h.engine.busy()).toBe(false);
  expect(existsSync(`${h.root}/data/containers/${id}`)).toBe(false);
});

test("a count of restarts ends with a start by hand", async () => {
  const id = await h.create(["false"], { HostConfig: { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 1 } } });
  for (let i = 0; i < 2; i++) {
    await h.backend.container.start(id, {});
    await h.rest(id);
    expect((await h.backend.container.inspect(id, { size: false })).RestartCount).toBe(1);
  }
  await remove(id);
});

test("a policy that is taken away by update ends the restarts", async () => {
  const id = await h.start(["sh", "-c", "sleep 0.05; exit 1"], { HostConfig: { RestartPolicy: { Name: "always" } } });
  await h.wait(id, "next-exit");
  await h.backend.container.update(id, { RestartPolicy: { Name: "no" } });
  for (;;) {
    const now = await state(id);
    if (now?.Status === "exited") break;
    await Bun.sleep(5);
  }
  expect(h.engine.busy()).toBe(false);
  await remove(id);
});

test("AutoRemove takes anonymous volumes and leaves named ones", async () => {
  const { id, go } = await gated(0, { HostConfig: { AutoRemove: true } });
  await h.backend.container.remove(id, { force: true, volumes: true, link: false });
  rmSync(`${h.root}/none`, { force: true });
  const own = await h.create(["true"], {
    Volumes: { "/anonymous": {} },
    HostConfig: { AutoRemove: true, Binds: ["wait-named:/named"] },
  });
  const removed = h.wait(own, "removed");
  await h.backend.container.start(own, {});
  expect(await removed).toBe(0);
  expect((await h.backend.volume.list({})).Volumes.map((v) => v.Name)).toEqual(["wait-named"]);
  await h.backend.volume.remove("wait-named", { force: false });
  go();
});

test("restart of one that is at rest starts it, and answers when it runs", async () => {
  const id = await h.create(["sleep", "1000"]);
  await h.backend.container.restart(id, {});
  expect((await state(id))?.Status).toBe("running");
  const actions = (await h.events(id)).map((e) => e.Action);
  expect(actions).toEqual(["create", "start", "restart"]);
  await remove(id);
});

test("stop with a signal of the container's own, and the image's timeout", async () => {
  const script = 'trap "exit 11" HUP; trap "exit 12" TERM; echo up; while :; do sleep 0.01; done';
  const id = await h.start(["sh", "-c", script], { StopSignal: "SIGHUP", StopTimeout: 100 });
  while ((await h.logs(id)) === "") await Bun.sleep(5);
  await h.backend.container.stop(id, {});
  expect((await state(id))?.ExitCode).toBe(11);
  await h.backend.container.start(id, {});
  while ((await h.logs(id)).match(/up/g)?.length !== 2) await Bun.sleep(5);
  await h.backend.container.stop(id, { signal: "TERM" });
  expect((await state(id))?.ExitCode).toBe(12);
  await remove(id);
});

test("one that removed itself is told of afterwards, by its id; one that somebody removed is not", async () => {
  const { id, go } = await gated(4, { HostConfig: { AutoRemove: true } });
  await h.backend.container.start(id, {});
  const removed = h.wait(id, "removed");
  go();
  expect(await removed).toBe(4);
  for (const condition of ["not-running", "next-exit", "removed"] as const) expect(await h.wait(id, condition)).toBe(4);
  await expect(h.wait(id.slice(0, 12))).rejects.toThrow(`No such container: ${id.slice(0, 12)}`);
  await expect(state(id)).rejects.toThrow(`No such container: ${id}`);
  const other = await gated(4, { HostConfig: { AutoRemove: true } });
  await remove(other.id);
  await expect(h.wait(other.id)).rejects.toThrow("No such container");
});
