import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { CreateBody, LogsOptions } from "../../api/backend.ts";
import { collect, EngineHarness, never, textOf } from "../../testing/engine-harness.ts";
import { type LogServer, streamServer, udpServer } from "../../testing/log-servers.ts";

// Containers with each log driver: what arrives, what `logs` shows, and what a dead server or daemon changes.

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open();
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

type Type = NonNullable<NonNullable<NonNullable<CreateBody["HostConfig"]>["LogConfig"]>["Type"]>;
const remove = (id: string): Promise<void> =>
  h.backend.container.remove(id, { force: true, volumes: true, link: false });
const logs = (type: Type, options: Record<string, string> = {}, more: object = {}): CreateBody => ({
  HostConfig: { LogConfig: { Type: type, Config: options }, ...more },
});
const tcp = (server: LogServer, options: Record<string, string> = {}): CreateBody =>
  logs("syslog", { "syslog-address": `tcp://127.0.0.1:${server.port}`, tag: "t", ...options });
const numbers = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join("");
/** What syslog lines say, without their heads. */
const said = (all: Buffer): string => all.toString().replaceAll(/^<\d+>.*? t\[\d+\]: /gm, "");
const lines = (count: number) => (all: Buffer) => all.toString().split("\n").length > count;
const folder = (id: string): string => `${h.root}/data/containers/${id}`;

async function read(id: string, options: Partial<LogsOptions> = {}): Promise<string> {
  const wanted = { stdout: true, stderr: true, follow: false, timestamps: false, signal: never(), ...options };
  const { tty, stream } = await h.backend.container.logs(id, wanted);
  return textOf(await collect(stream), tty);
}

test("what the container writes arrives, and can be read here too", async () => {
  await using server = await streamServer();
  const id = await h.start(["seq", "1000"], tcp(server));
  expect(said(await server.until(lines(1000)))).toBe(numbers(1, 1000));
  await h.wait(id);
  expect(await read(id)).toBe(numbers(1, 1000));
  expect(await read(id, { tail: 2, follow: true })).toBe(numbers(999, 1000));
  expect((await h.backend.container.inspect(id, { size: false })).LogPath).toBe("");
  await remove(id);
});

test("AutoRemove waits until all is sent", async () => {
  await using server = await streamServer();
  const body = tcp(server);
  const id = await h.start(["seq", "20000"], { HostConfig: { ...body.HostConfig, AutoRemove: true } });
  await h.wait(id, "removed");
  expect(said(await server.until(lines(20_000)))).toBe(numbers(1, 20_000));
});

test("cache-disabled: sent all the same, and not shown", async () => {
  await using server = await udpServer();
  const options = { "syslog-address": `udp://127.0.0.1:${server.port}`, tag: "t", "cache-disabled": "true" };
  const id = await h.start(["echo", "x"], logs("syslog", options));
  expect(said(await server.until(lines(1)))).toBe("x\n");
  await expect(read(id)).rejects.toThrow("configured logging driver does not support reading");
  await remove(id);
});

test("a server that is not there: the start fails in Docker's words, and the container can be started later", async () => {
  const gone = await streamServer();
  const body = tcp(gone);
  await gone[Symbol.asyncDispose]();
  const id = await h.create(["echo", "x"], body);
  await expect(h.backend.container.start(id, {})).rejects.toThrow(
    `failed to create task for container: failed to initialize logging driver: dial tcp 127.0.0.1:${gone.port}: connect: connection refused`,
  );
  const { State } = await h.backend.container.inspect(id, { size: false });
  expect([State?.Status, State?.ExitCode]).toEqual(["created", 128]);
  await using server = await streamServer({ port: gone.port });
  await h.backend.container.start(id, {});
  expect(said(await server.until(lines(1)))).toBe("x\n");
  await remove(id);
});

test("fluentd-async starts without its server, which gets everything when it comes", async () => {
  const gone = await streamServer();
  await gone[Symbol.asyncDispose]();
  const options = { "fluentd-address": `127.0.0.1:${gone.port}`, "fluentd-async": "true" };
  const id = await h.start(["sh", "-c", "echo early; sleep 1000"], logs("fluentd", options));
  while ((await read(id)) === "") await Bun.sleep(5);
  expect(h.engine.busy()).toBe(true);
  await using server = await streamServer({ port: gone.port });
  await server.until((all) => all.includes("early"));
  await remove(id);
});

test("a server that dies does not hold up the container, nor its removal", async () => {
  const server = await streamServer();
  const script = "trap 'seq 50000; exit 7' TERM; echo one; while :; do sleep 0.01; done";
  const id = await h.start(["sh", "-c", script], tcp(server));
  await server.until(lines(1));
  await server[Symbol.asyncDispose]();
  await h.backend.container.kill(id, { signal: "TERM" });
  expect(await h.wait(id)).toBe(7);
  expect(await read(id)).toBe(`one\n${numbers(1, 50_000)}`);
  await remove(id);
  expect(existsSync(folder(id))).toBe(false);
});

test("the next daemon goes on where this one was ended: nothing missing, nothing twice", async () => {
  await using server = await streamServer();
  const script = "trap 'seq 501 900; exit' TERM; seq 500; while :; do sleep 0.01; done";
  const id = await h.start(["sh", "-c", script], tcp(server));
  await server.until(lines(500));
  const { State } = await h.backend.container.inspect(id, { size: false });
  await h.down();
  // Written while no daemon is there.
  process.kill(State?.Pid ?? 0, "SIGTERM");
  while (!readFileSync(`${folder(id)}/cached.log`, "utf8").includes('"900\\n"')) await Bun.sleep(5);
  await h.up();
  expect(said(await server.until(lines(900)))).toBe(numbers(1, 900));
  await h.wait(id);
  await remove(id);
});

test("gelf and fluentd by a container: text of every kind arrives once, in order", async () => {
  const script = "printf 'one\\n\\ntwo \\303\\244\\n'; echo err >&2";
  await using datagrams = await udpServer();
  const udp = { "gelf-address": `udp://127.0.0.1:${datagrams.port}`, "gelf-compression-type": "none", labels: "tier" };
  const first = await h.start(["sh", "-c", script], { ...logs("gelf", udp), Labels: { tier: "1" } });
  await datagrams.until(() => datagrams.received.length === 3);
  const sent = datagrams.received.map((bytes) => JSON.parse(bytes.toString()) as Record<string, unknown>);
  const texts = (level: number): unknown[] => sent.filter((m) => m["level"] === level).map((m) => m["short_message"]);
  expect([texts(6), texts(3)]).toEqual([["one", "two ä"], ["err"]]);
  expect(sent[0]).toMatchObject({
    _container_id: first,
    _tier: "1",
    _image_name: "busybox",
    _command: `sh -c ${script}`,
  });
  await using stream = await streamServer();
  const options = { "fluentd-address": `127.0.0.1:${stream.port}`, tag: "app" };
  const second = await h.start(["sh", "-c", script], logs("fluentd", options));
  const all = await stream.until((bytes) => bytes.toString().split("container_id").length === 5);
  for (const text of ["one", "two ä", "err", second]) expect(all.toString()).toContain(text);
  for (const id of [first, second]) await remove(id);
});

test("the options of create are checked before anything is made", async () => {
  const before = readdirSync(`${h.root}/data/containers`);
  await expect(h.create(["true"], logs("gelf"))).rejects.toThrow("gelf-address is a required parameter");
  await expect(h.create(["true"], logs("fluentd", { "fluentd-async": "x" }))).rejects.toThrow("strconv.ParseBool");
  expect(readdirSync(`${h.root}/data/containers`)).toEqual(before);
});

test("json-file: attributes in every entry; details show them", async () => {
  const options = { labels: "tier", env: "REGION", tag: "{{.Name}}" };
  const body = { ...logs("json-file", options), Labels: { tier: "a b" }, Env: ["REGION=eu"] };
  const id = await h.create(["sh", "-c", "echo x; echo y >&2"], body, "log-attrs");
  await h.backend.container.start(id, {});
  await h.wait(id);
  const row = readFileSync(`${folder(id)}/${id}-json.log`, "utf8").split("\n")[0] ?? "";
  expect(JSON.parse(row)).toMatchObject({ attrs: { REGION: "eu", tag: "log-attrs", tier: "a b" } });
  const details = "REGION=eu,tag=log-attrs,tier=a+b";
  expect((await read(id, { details: true })).split("\n").sort()).toEqual(["", `${details} x`, `${details} y`]);
  expect(await read(id)).toMatch(/^[xy]\n[xy]\n$/);
  await remove(id);
});

test("by default logs are rotated and compressed, and read through compressed files", async () => {
  const id = await h.start(["seq", "30000"], logs("json-file", { "max-size": "100k", "max-file": "100" }));
  await h.wait(id);
  const packed = (): string[] => readdirSync(folder(id)).filter((name) => name.endsWith(".gz"));
  while (packed().length === 0) await Bun.sleep(5);
  expect(await read(id)).toBe(numbers(1, 30_000));
  expect(await read(id, { tail: 29_000 })).toBe(numbers(1001, 30_000));
  await remove(id);
});

test("a follower reads on while files are rotated and compressed under it", async () => {
  const script = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; [ $((i % 300)) = 0 ] && sleep 0.05; done";
  const id = await h.start(["sh", "-c", script], logs("local", { "max-size": "5k", "max-file": "500" }));
  expect(await read(id, { follow: true })).toBe(numbers(1, 3000));
  expect(await read(id)).toBe(numbers(1, 3000));
  await remove(id);
});

test("info lists the drivers and states the bound", async () => {
  const info = await h.backend.system.info();
  expect(info.Plugins?.Log).toEqual(["fluentd", "gelf", "journald", "json-file", "local", "syslog"]);
  expect(info.DriverStatus).toContainEqual([
    "Container Logs",
    "at most 5 files of 20MiB each, rotated ones compressed",
  ]);
});
