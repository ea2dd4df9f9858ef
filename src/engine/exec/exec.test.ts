import { afterAll, beforeAll, expect, test } from "bun:test";
import type { ExecCreateBody } from "../../api/backend.ts";
import { EngineHarness, testClient, textOf } from "../../testing/engine-harness.ts";

let h: EngineHarness;
let id: string;
beforeAll(async () => {
  h = await EngineHarness.open();
  id = await h.start(["sleep", "1000"], { Env: ["A=container"], WorkingDir: "/tmp" });
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

async function exec(
  cmd: string[],
  body: ExecCreateBody = {},
  input?: string,
): Promise<{ out: string; err: string; code: unknown }> {
  const attach = { AttachStdout: true, AttachStderr: true, AttachStdin: input !== undefined };
  const { Id } = await h.backend.exec.create(id, { Cmd: cmd, ...attach, ...body });
  const client = testClient();
  const done = h.backend.exec.start(Id, { detach: false, tty: body.Tty === true }, client.ready);
  if (input !== undefined) {
    client.type(input);
    client.end();
  }
  await done;
  const bytes = await client.output;
  const { ExitCode: code } = (await h.backend.exec.inspect(Id)) as { ExitCode: unknown };
  return { out: textOf(bytes, body.Tty === true, "stdout"), err: textOf(bytes, body.Tty === true, "stderr"), code };
}

test("output by stream, exit code, and the container's environment, folder and user", async () => {
  expect(await exec(["sh", "-c", "echo $A $B; pwd; id -u; echo no >&2; exit 4"], { Env: ["B=exec"] })).toEqual({
    out: "container exec\n/tmp\n0\n",
    err: "no\n",
    code: 4,
  });
  expect((await exec(["sh", "-c", "id -u; id -g; pwd; echo $HOME"], { User: "nobody", WorkingDir: "/etc" })).out).toBe(
    "65534\n65534\n/etc\n/home\n",
  );
});

test("stdin and its end", async () => {
  expect(await exec(["cat"], {}, "typed")).toEqual({ out: "typed", err: "", code: 0 });
});

test("a terminal has one stream", async () => {
  expect((await exec(["sh", "-c", "tty; echo err >&2"], { Tty: true })).out).toMatch(/^\/dev\/pts\/\d+\r\nerr\r\n$/);
});

test("a command that cannot run is told in the stream, with 127", async () => {
  const { out, code } = await exec(["nosuch"]);
  expect(out).toContain('exec: "nosuch": executable file not found in $PATH');
  expect(code).toBe(127);
});

test("detached: answers when it runs; a second start is refused", async () => {
  const { Id } = await h.backend.exec.create(id, { Cmd: ["sleep", "1000"] });
  const client = testClient();
  await h.backend.exec.start(Id, { detach: true, tty: false }, client.ready);
  expect(await h.backend.exec.inspect(Id)).toMatchObject({ Running: true, ExitCode: null, ContainerID: id });
  expect((await h.backend.container.inspect(id, { size: false })).ExecIDs).toEqual([Id]);
  await expect(h.backend.exec.start(Id, { detach: true, tty: false }, client.ready)).rejects.toThrow(
    "is already running",
  );
});

test("refused in Docker's words: unknown user, no command, unknown exec, stopped container", async () => {
  await expect(h.backend.exec.create(id, { Cmd: ["ls"], User: "ghost" })).rejects.toThrow(
    "unable to find user ghost: no matching entries in passwd file",
  );
  await expect(h.backend.exec.create(id, { Cmd: [] })).rejects.toThrow("No exec command specified");
  await expect(h.backend.exec.inspect("nope")).rejects.toThrow("No such exec instance: nope");
  const stopped = await h.create(["true"]);
  await expect(h.backend.exec.create(stopped, { Cmd: ["ls"] })).rejects.toThrow(`container ${stopped} is not running`);
});

test("a user that the container itself made, changed or hid is found as it is now", async () => {
  const user = async (): Promise<string> => (await exec(["id", "-u"], { User: "late" })).out;
  await expect(user()).rejects.toThrow("unable to find user late");
  const write = async (script: string): Promise<void> => {
    expect(await exec(["sh", "-c", script])).toEqual({ out: "", err: "", code: 0 });
  };
  await write("echo late:x:77:77::/:/bin/sh >> /etc/passwd");
  expect(await user()).toBe("77\n");
  await write("sed -i s/77/78/ /etc/passwd");
  expect(await user()).toBe("78\n");
  await write("mv /etc/passwd /etc/kept");
  await expect(user()).rejects.toThrow("unable to find user late");
  await write("mkdir /new; mv /etc/kept /new/passwd; ln -s /new/passwd /etc/passwd; sed -i s/78/79/ /new/passwd");
  expect(await user()).toBe("79\n");
});

test("events carry the exec's id and exit code", async () => {
  await exec(["sh", "-c", "exit 2"]);
  const events = (await h.events(id)).slice(-3);
  expect(events.map((e) => e.Action)).toEqual(["exec_create: sh -c exit 2", "exec_start: sh -c exit 2", "exec_die"]);
  expect(events[2]?.Actor?.Attributes).toMatchObject({
    exitCode: "2",
    execID: events[0]?.Actor?.Attributes?.["execID"],
  });
});

test("a health check turns healthy and unhealthy", async () => {
  const ms = 1_000_000;
  const sick = await h.start(["sleep", "1000"], {
    Healthcheck: { Test: ["CMD-SHELL", "test -f /ok"], Interval: 20 * ms, Retries: 2 },
  });
  const status = async (wanted: string): Promise<void> => {
    const options = { since: 0, filters: { container: [sick] }, signal: AbortSignal.timeout(10_000) };
    for await (const batch of h.backend.system.events(options))
      if (batch.some((e) => e.Action === `health_status: ${wanted}`)) return;
    throw new Error(`never ${wanted}`);
  };
  await status("unhealthy");
  expect(
    (await h.backend.container.list({ all: false, size: false, filters: { health: ["unhealthy"] } })).map((c) => c.Id),
  ).toEqual([sick]);
  const { Id } = await h.backend.exec.create(sick, { Cmd: ["touch", "/ok"] });
  await h.backend.exec.start(Id, { detach: true, tty: false }, testClient().ready);
  await status("healthy");
  expect((await h.backend.container.inspect(sick, { size: false })).State?.Health).toMatchObject({
    Status: "healthy",
    FailingStreak: 0,
  });
});
