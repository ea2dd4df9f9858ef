import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { TestDaemon } from "../../src/testing/daemon.ts";
import { RawClient } from "../../src/testing/raw-client.ts";

const UPGRADE = { Upgrade: "tcp", Connection: "Upgrade" };
const RAW = "Content-Type: application/vnd.docker.raw-stream";
const MULTIPLEXED = "Content-Type: application/vnd.docker.multiplexed-stream";

let d: TestDaemon;
beforeAll(async () => {
  d = await TestDaemon.start();
  await d.ok("run", "-d", "--name", "host", "--net", "none", "busybox", "sleep", "100000");
});
afterAll(() => d[Symbol.asyncDispose]());

async function post(path: string, body?: object): Promise<{ status: number; json: Record<string, unknown> }> {
  const init = { method: "POST", unix: d.socket, headers: { "Content-Type": "application/json" } };
  const answer = await fetch(`http://d/v1.51${path}`, { ...init, ...(body ? { body: JSON.stringify(body) } : {}) });
  const text = await answer.text();
  return { status: answer.status, json: text.startsWith("{") ? JSON.parse(text) : {} };
}

/** A container that is created, not started. */
async function make(name: string, script: string, body: object = {}): Promise<string> {
  const HostConfig = { NetworkMode: "none" };
  const answer = await post(`/containers/create?name=${name}`, {
    ...{ Image: "busybox", Cmd: ["sh", "-c", script], HostConfig },
    ...body,
  });
  return String(answer.json["Id"]);
}
async function attach(name: string, query = "stream=1&stdin=1&stdout=1&stderr=1", version = "v1.51") {
  const client = new RawClient(d.socket, `POST /${version}/containers/${name}/attach?${query}`, UPGRADE);
  await client.head();
  return client;
}
async function execOf(body: object): Promise<string> {
  const { json } = await post("/containers/host/exec", { AttachStdout: true, AttachStderr: true, ...body });
  return String(json["Id"]);
}
async function execStart(id: string, body: object = {}): Promise<RawClient> {
  const text = JSON.stringify(body);
  const headers = { ...UPGRADE, "Content-Type": "application/json", "Content-Length": String(text.length) };
  const client = new RawClient(d.socket, `POST /v1.51/exec/${id}/start`, headers);
  client.send(text);
  await client.head();
  return client;
}
const bodyOf = (text: string): string => text.slice(text.indexOf("\r\n\r\n") + 4);
const frame = (stream: number, text: string): string =>
  `${String.fromCharCode(stream)}\0\0\0\0\0\0${String.fromCharCode(text.length)}${text}`;

/** What an answer's frames hold, by stream. */
function streamsOf(text: string): { out: string; err: string } {
  const bytes = Buffer.from(bodyOf(text), "latin1");
  const all = { out: "", err: "" };
  for (let at = 0; at < bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at + 4);
    all[bytes[at] === 2 ? "err" : "out"] += bytes.toString("latin1", at + 8, end);
    at = end;
  }
  return all;
}

test("content types by terminal and version; framing without, raw bytes with a terminal", async () => {
  for (const [version, Tty, type] of [
    ["v1.51", false, MULTIPLEXED],
    ["v1.42", false, MULTIPLEXED],
    ["v1.41", false, RAW],
    ["v1.51", true, RAW],
  ] as const) {
    await make("typed", "echo hi", { Tty });
    const client = await attach("typed", "stream=1&stdout=1&stderr=1", version);
    await post("/containers/typed/start");
    const text = await client.whole();
    expect(text).toStartWith(`HTTP/1.1 101 UPGRADED\r\n${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n`);
    expect(bodyOf(text)).toBe(Tty ? "hi\r\n" : frame(1, "hi\n"));
    await d.ok("rm", "-f", "typed");
  }
});

test("half-close of an attach: the process reads its end, and what it says then still arrives", async () => {
  await make("once", "cat; echo behind; echo last >&2", { OpenStdin: true, StdinOnce: true });
  const client = await attach("once");
  await post("/containers/once/start");
  client.send("typed\n");
  client.end();
  expect(streamsOf(await client.whole())).toEqual({ out: "typed\nbehind\n", err: "last\n" });
  await d.ok("rm", "once");
});

test("half-close of an exec", async () => {
  const client = await execStart(await execOf({ Cmd: ["sh", "-c", "cat; echo behind"], AttachStdin: true }));
  client.send("typed\n");
  client.end();
  expect(streamsOf(await client.whole())).toEqual({ out: "typed\nbehind\n", err: "" });
});

test("a container that keeps its input open outlives the end of a client's input", async () => {
  await make("kept", "while read x; do echo got $x; done", { OpenStdin: true });
  await post("/containers/kept/start");
  const client = await attach("kept");
  client.send("one\n");
  await client.until((t) => t.includes("got one"));
  client.end();
  await client.whole();
  const again = await attach("kept");
  again.send("two\n");
  await again.until((t) => t.includes("got two"));
  again.destroy();
  await d.ok("rm", "-f", "kept");
});

test("detach keys: the default, a container's own, an exec's; the process goes on", async () => {
  await make("keys", "stty -echo; echo up; exec cat", { OpenStdin: true, Tty: true });
  await post("/containers/keys/start");
  const byDefault = await attach("keys");
  byDefault.send("\x10\x11");
  await byDefault.whole();
  const own = await attach("keys", "stream=1&stdin=1&stdout=1&detachKeys=ctrl-x,q");
  own.send("\x10\x11\x18");
  own.send("q");
  await own.whole();
  expect(await d.ok("inspect", "-f", "{{.State.Running}}", "keys")).toBe("true");
  await d.ok("rm", "-f", "keys");
  const id = await execOf({ Cmd: ["sleep", "1000"], AttachStdin: true, Tty: true, DetachKeys: "ctrl-a" });
  const exec = await execStart(id, { Tty: true });
  exec.send("\x01");
  await exec.whole();
  const answer = await fetch(`http://d/exec/${id}/json`, { unix: d.socket });
  expect(await answer.json()).toMatchObject({ Running: true, DetachKeys: "ctrl-a" });
  const seen = await d.ok("events", "--since", "0", "--until", String(Date.now() / 1000), "--format", "{{.Action}}");
  expect(seen.split("\n").filter((a) => a === "detach" || a === "exec_detach")).toEqual([
    "detach",
    "detach",
    "exec_detach",
  ]);
});

test("resize of an exec waits for its start; what has ended is not found", async () => {
  const id = await execOf({ Cmd: ["sh", "-c", "read x; stty size"], AttachStdin: true, Tty: true });
  const resized = post(`/exec/${id}/resize?h=33&w=77`);
  const client = await execStart(id, { Tty: true });
  expect((await resized).status).toBe(200);
  client.send("\n");
  expect(await client.whole()).toContain("33 77");
  expect(await post(`/exec/${id}/resize?h=1&w=1`)).toEqual({
    status: 404,
    json: { message: `NotFound: process does not exist ${id}: not found` },
  });
});

test("20 attaches at once all see the same; one that goes halfway harms nobody", async () => {
  await make("crowd", "read x; seq 1 20000; echo end", { OpenStdin: true, StdinOnce: false });
  const gone = await attach("crowd", "stream=1&stdout=1");
  const clients = await Promise.all(Array.from({ length: 20 }, () => attach("crowd", "stream=1&stdout=1")));
  const typist = await attach("crowd", "stream=1&stdin=1");
  await post("/containers/crowd/start");
  typist.send("go\n");
  await gone.until((t) => t.length > 1000);
  gone.destroy();
  const texts = await Promise.all(clients.map((c) => c.whole()));
  const wanted = `${Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join("")}end\n`;
  for (const text of texts) expect(streamsOf(text).out === wanted).toBe(true);
  await d.ok("rm", "-f", "crowd");
});

test("readers that stall hold neither the daemon's memory nor other clients", async () => {
  const rss = (): number => Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${d.pid}/status`, "utf8"))?.[1]);
  const stalled = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const client = await execStart(
        await execOf({ Cmd: ["sh", "-c", "yes 0123456789012345678901234567890123456789"] }),
      );
      client.socket.pause();
      return client;
    }),
  );
  await d.ok("exec", "host", "sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done");
  const before = rss();
  await d.ok("exec", "host", "sh", "-c", "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done");
  expect(rss() - before).toBeLessThan(32 * 1024);
  for (const client of stalled) client.destroy();
  expect(await d.ok("exec", "host", "echo", "alive")).toBe("alive");
});

test("kill, stop and rm -f at once end in nothing, with one die and one destroy", async () => {
  for (let i = 0; i < 5; i++) {
    const name = `race${i}`;
    const id = await make(name, "trap 'exit 0' TERM; while :; do sleep 0.01; done");
    await post(`/containers/${name}/start`);
    const calls = [
      post(`/containers/${id}/kill`),
      post(`/containers/${id}/stop?t=1`),
      fetch(`http://d/containers/${id}?force=1`, { method: "DELETE", unix: d.socket }),
      post(`/containers/${id}/pause`),
      post(`/containers/${id}/restart?t=0`),
    ];
    const statuses = (await Promise.all(calls)).map((a) => a.status);
    for (const status of statuses) expect([200, 204, 304, 404, 409]).toContain(status);
    await fetch(`http://d/containers/${id}?force=1`, { method: "DELETE", unix: d.socket });
    const filters = ["--filter", `container=${id}`, "--format", "{{.Action}}"];
    const seen = (await d.ok("events", "--since", "0", "--until", String(Date.now() / 1000), ...filters)).split("\n");
    expect(seen.filter((a) => a === "destroy")).toHaveLength(1);
    expect(seen.filter((a) => a === "die").length).toBe(seen.filter((a) => a === "start").length);
  }
  expect((await d.leftovers()).processes.filter((p) => p.includes("monitor"))).toHaveLength(1);
});
