import { afterAll, beforeAll, expect, test } from "bun:test";
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import type { LogsOptions } from "../../api/backend.ts";
import { collect, EngineHarness, never, textOf } from "../../testing/engine-harness.ts";

// `docker logs` over a container's whole life: pieces of lines, streams, times, rotation, restarts, ends.

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open();
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

const remove = (id: string): Promise<void> =>
  h.backend.container.remove(id, { force: true, volumes: true, link: false });
const PLAIN: LogsOptions = { stdout: true, stderr: true, follow: false, timestamps: false, signal: never() };

async function logs(id: string, options: Partial<LogsOptions> = {}, only?: "stdout" | "stderr"): Promise<string> {
  const { tty, stream } = await h.backend.container.logs(id, { ...PLAIN, ...options });
  return textOf(await collect(stream), tty, only);
}

async function ran(script: string, body: object = {}): Promise<string> {
  const id = await h.start(["sh", "-c", script], body);
  await h.wait(id);
  return id;
}

const rotating = (size: string, files: string) => ({
  HostConfig: { LogConfig: { Type: "json-file" as const, Config: { "max-size": size, "max-file": files } } },
});
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join("");

test.each<[string, string]>([
  ["printf x", "x"],
  ["printf 'a\\nb'", "a\nb"],
  ["printf '\\n\\n'", "\n\n"],
  ["printf 'a\\r\\nb\\r\\n'", "a\r\nb\r\n"],
  ["printf '\"quoted\" \\\\ back'", '"quoted" \\ back'],
  ["printf '\\001\\033[31mred\\033[0m'", "\u0001\u001b[31mred\u001b[0m"],
  ["printf 'h\\303\\251llo \\360\\237\\230\\200'", "héllo 😀"],
  ["true", ""],
])("what %s wrote is what is read", async (script, text) => {
  const id = await ran(script);
  expect(await logs(id)).toBe(text);
  await remove(id);
});

test("bytes that are no UTF-8 become the replacement character, the rest stays", async () => {
  const id = await ran("printf 'a\\377b\\n'");
  expect(await logs(id)).toBe("a\ufffdb\n");
  await remove(id);
});

test("a line longer than the monitor's pieces comes whole, and counts as its pieces for tail", async () => {
  const id = await ran("dd if=/dev/zero bs=1000 count=100 2>/dev/null | tr '\\0' y; echo; echo end");
  expect(await logs(id)).toBe(`${"y".repeat(100_000)}\nend\n`);
  expect(await logs(id, { tail: 1 })).toBe("end\n");
  await remove(id);
});

test("a character is not torn where a long line is cut", async () => {
  const id = await ran("for i in $(seq 6000); do printf '\\342\\202\\254x'; done");
  expect(await logs(id)).toBe("€x".repeat(6000));
  await remove(id);
});

test("streams can be read one at a time", async () => {
  const id = await ran("echo out; echo err >&2; echo out2");
  expect(await logs(id, { stderr: false })).toBe("out\nout2\n");
  expect(await logs(id, { stdout: false })).toBe("err\n");
  expect(await logs(id, {}, "stderr")).toBe("err\n");
  await remove(id);
});

test("a terminal's log has no frames and the terminal's line ends", async () => {
  const id = await ran("echo a; echo b >&2", { Tty: true });
  const { tty, stream } = await h.backend.container.logs(id, PLAIN);
  expect(tty).toBe(true);
  expect((await collect(stream)).toString()).toBe("a\r\nb\r\n");
  await remove(id);
});

test.each<[number, string]>([
  [0, ""],
  [1, "20\n"],
  [3, lines(18, 20)],
  [20, lines(1, 20)],
  [1000, lines(1, 20)],
])("tail %p", async (tail, wanted) => {
  const id = await ran("seq 20");
  expect(await logs(id, { tail })).toBe(wanted);
  expect(await logs(id, { tail, follow: true })).toBe(wanted);
  await remove(id);
});

test("a tail counts the lines of both streams, also where only one is read", async () => {
  const id = await ran("echo a; echo b >&2; echo c; echo d >&2");
  expect(await logs(id, { tail: 3, stderr: false })).toBe("c\n");
  await remove(id);
});

test("times: each line has its own, they only grow, and cut exactly where they say", async () => {
  const id = await ran("for i in 1 2 3 4 5; do echo $i; sleep 0.02; done");
  const stamped = (await logs(id, { timestamps: true })).trim().split("\n");
  const times = stamped.map((line) => line.split(" ")[0] ?? "");
  expect([...times].sort()).toEqual(times);
  for (const time of times) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  const third = times[2] ?? "";
  expect(await logs(id, { since: third })).toBe("3\n4\n5\n");
  expect(await logs(id, { until: third })).toBe("1\n2\n3\n");
  expect(await logs(id, { since: third, until: times[3] ?? "" })).toBe("3\n4\n");
  expect(await logs(id, { since: "2200-01-01T00:00:00Z" })).toBe("");
  expect(await logs(id, { until: "1970-01-01T00:00:00.001Z" })).toBe("");
  expect(await logs(id, { since: third, tail: 1 })).toBe("5\n");
  await remove(id);
});

test("rotation keeps so many files of so many bytes; what is left is the end, whole", async () => {
  const id = await ran("i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i; done", rotating("10k", "3"));
  const files = readdirSync(`${h.root}/data/containers/${id}`).filter((n) => n.includes("-json.log"));
  expect(files).toHaveLength(3);
  const left = (await logs(id)).trim().split("\n").map(Number);
  expect(left.at(-1)).toBe(3000);
  expect(left[0]).toBeGreaterThan(1);
  expect(left).toEqual(Array.from({ length: left.length }, (_, i) => (left[0] ?? 0) + i));
  expect(await logs(id, { tail: 100 })).toBe(lines(2901, 3000));
  await remove(id);
});

test("a follower over many rotations reads each line once", async () => {
  const id = await h.start(
    ["sh", "-c", "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo $i; [ $((i % 200)) = 0 ] && sleep 0.03; done"],
    rotating("10k", "40"),
  );
  expect(await logs(id, { follow: true })).toBe(lines(1, 2000));
  await remove(id);
});

test("followers and tails of one log at once do not disturb each other", async () => {
  const id = await h.start(["sh", "-c", "for i in $(seq 100); do echo $i; sleep 0.002; done"]);
  const all = Array.from({ length: 8 }, (_, i) => logs(id, { follow: true, ...(i % 2 === 0 ? {} : { tail: 1000 }) }));
  for (const text of await Promise.all(all)) expect(text).toBe(lines(1, 100));
  await remove(id);
});

test("a client that leaves ends its follow; the container does not notice", async () => {
  const id = await h.start(["sh", "-c", "echo one; sleep 1000"]);
  const abort = new AbortController();
  const { stream } = await h.backend.container.logs(id, { ...PLAIN, follow: true, signal: abort.signal });
  let seen = 0;
  for await (const _ of stream) {
    seen++;
    abort.abort();
  }
  expect(seen).toBe(1);
  expect((await h.backend.container.inspect(id, { size: false })).State?.Running).toBe(true);
  await remove(id);
});

test("follow of one that is at rest ends at once; of one that restarts, with the run", async () => {
  const id = await ran("echo first");
  expect(await logs(id, { follow: true })).toBe("first\n");
  await h.backend.container.start(id, {});
  await h.wait(id);
  expect(await logs(id)).toBe("first\nfirst\n");
  await remove(id);
});

test("a container that was never started has an empty log", async () => {
  const id = await h.create(["true"]);
  expect(await logs(id)).toBe("");
  expect(await logs(id, { follow: true })).toBe("");
  await remove(id);
});

test("a removal ends a follow", async () => {
  const id = await h.start(["sh", "-c", "echo here; sleep 1000"]);
  const following = logs(id, { follow: true });
  while ((await logs(id)) === "") await Bun.sleep(5);
  await remove(id);
  expect(await following).toBe("here\n");
});

test("a line that was torn by a power cut is left out; those around it are read", async () => {
  const id = await ran("echo before");
  const path = `${h.root}/data/containers/${id}/${id}-json.log`;
  const whole = readFileSync(path, "utf8");
  appendFileSync(path, '{"log":"torn\\n","str\n');
  appendFileSync(path, "\0\0\0\0\n[]\n7\nnull\n");
  appendFileSync(path, whole.replace("before", "after"));
  expect(await logs(id)).toBe("before\nafter\n");
  expect(await logs(id, { tail: 1 })).toBe("after\n");
  await remove(id);
});

test("the file is Docker's json-file format, one object a line", async () => {
  const id = await ran("echo out; echo err >&2");
  const rows = readFileSync(`${h.root}/data/containers/${id}/${id}-json.log`, "utf8").trim().split("\n");
  const parsed = rows.map((row) => JSON.parse(row) as { log: string; stream: string; time: string });
  expect(parsed.map(({ log, stream }) => [log, stream]).sort()).toEqual([
    ["err\n", "stderr"],
    ["out\n", "stdout"],
  ]);
  for (const { time } of parsed) expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
  await remove(id);
});

test("driver local keeps bytes as they are; none keeps nothing", async () => {
  const local = await ran("printf 'x\\377\\200 \\355\\262\\200 \\360\\237\\230\\200\\n'", {
    HostConfig: { LogConfig: { Type: "local", Config: {} } },
  });
  const { stream } = await h.backend.container.logs(local, PLAIN);
  expect((await collect(stream)).subarray(8).toString("latin1")).toBe("x\xff\x80 \xed\xb2\x80 \xf0\x9f\x98\x80\n");
  const none = await ran("echo x", { HostConfig: { LogConfig: { Type: "none", Config: {} } } });
  expect(readdirSync(`${h.root}/data/containers/${none}`).filter((n) => n.includes("log"))).toEqual([]);
  for (const id of [local, none]) await remove(id);
});

test("a reader as slow as can be gets all of a big log", async () => {
  const id = await ran("dd if=/dev/zero bs=1k count=3000 2>/dev/null | tr '\\0' z | fold -w 99");
  const { stream } = await h.backend.container.logs(id, PLAIN);
  const parts: Uint8Array[] = [];
  for await (const chunk of stream) {
    parts.push(chunk);
    await Bun.sleep(1);
  }
  const bytes = textOf(Buffer.concat(parts), false).length;
  const newlines = Math.ceil((3000 * 1024) / 99) - 1;
  expect(bytes).toBe(3000 * 1024 + newlines);
  await remove(id);
});
