import { expect, test } from "bun:test";
import type { LogsOptions } from "../../api/backend.ts";
import { never, textOf } from "../../testing/engine-harness.ts";
import { LogRenderer } from "./render.ts";

const ALL: LogsOptions = { stdout: true, stderr: true, follow: false, timestamps: false, signal: never() };
const TIME = "2026-01-02T03:04:05.6Z";

const row = (log: string, more: object = {}): string =>
  `${JSON.stringify({ log, stream: "stdout", ...more, time: TIME })}\n`;
function render(rows: string | Buffer, options: Partial<LogsOptions> = {}, tty = false): string {
  const out = new LogRenderer({ ...ALL, ...options }, tty).render(Buffer.from(rows));
  return textOf(Buffer.from(out), tty);
}

test("each entry has a frame of its own, with its stream and length", () => {
  const out = new LogRenderer(ALL, false).render(Buffer.from(row("ab\n") + row("é\n", { stream: "stderr" })));
  expect(out.toString("hex")).toBe("0100000000000003" + "61620a" + "0200000000000003" + "c3a90a");
});

test.each<[string, string, string]>([
  ["text", row("plain\n"), "plain\n"],
  [
    "quotes and line ends",
    '{"log":"a\\"b\\\\c\\nd\\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}\n',
    'a"b\\c\nd\n',
  ],
  [
    "other escapes",
    '{"log":"\\u003c\\t\\u0001\\/é\\ud83d\\ude00","stream":"stdout","time":"2026-01-02T03:04:05Z"}\n',
    "<\t\u0001/é😀",
  ],
  ["another order of keys", `{"time":"${TIME}","stream":"stderr","log":"x"}\n`, "x"],
  ["blanks", `{ "log": "x", "stream": "stdout", "time": "${TIME}" }\n`, "x"],
  ["attributes", row("x\n", { attrs: { a: "1" } }), "x\n"],
  ["torn", `{"log":"tor\n${row("whole\n")}`, "whole\n"],
  ["torn in an escape", `{"log":"tor\\\n${row("whole\n")}`, "whole\n"],
  ["torn in the time", `{"log":"x","stream":"stdout","time":"2026\n${row("whole\n")}`, "whole\n"],
  ["no object", `null\n7\n"x"\n[]\n{}\n\0\0\n${row("x")}`, "x"],
  ["wrong types", `{"log":7,"stream":"stdout","time":"${TIME}"}\n{"log":"a","time":7}\n`, ""],
])("an entry with %s", (_, rows, text) => {
  expect(render(rows)).toBe(text);
});

test("lone surrogates of the low kind are bytes; a pair is a character; other lone ones are no text", () => {
  const rows = `{"log":"\\udcff\\udc80x\\ud83d\\ude00\\udce9","stream":"stdout","time":"${TIME}"}\n`;
  const out = new LogRenderer(ALL, true).render(Buffer.from(rows));
  expect(out.toString("latin1")).toBe("\xff\x80x\xf0\x9f\x98\x80\xe9");
  expect(render('{"log":"a\\ud800b","stream":"stdout","time":"2026-01-02T03:04:05Z"}\n')).toBe("a\ufffdb");
});

test("timestamps have nine digits, details come after them, escaped as in a query and by name", () => {
  expect(render(row("x\n"), { timestamps: true })).toBe("2026-01-02T03:04:05.600000000Z x\n");
  const attrs = { zz: "1", a: "b c&d", FOO: "bär", tag: "x/y" };
  const details = "FOO=b%C3%A4r,a=b+c%26d,tag=x%2Fy,zz=1";
  expect(render(row("x\n", { attrs }), { details: true })).toBe(`${details} x\n`);
  expect(render(row("x\n", { attrs }), { details: true, timestamps: true }, true)).toBe(
    `2026-01-02T03:04:05.600000000Z ${details} x\n`,
  );
  expect(render(row("x\n"), { details: true })).toBe(" x\n");
});

const timed = (time: string): string => `{"log":"${time}\\n","stream":"stdout","time":"2026-01-02T03:04:${time}Z"}\n`;
const TIMES = ["05", "05.1", "05.100000001", "05.2", "06"].map(timed).join("");

test.each<[string, string, string]>([
  ["", "", "05 05.1 05.100000001 05.2 06"],
  ["05.1", "", "05.1 05.100000001 05.2 06"],
  ["05.100000001", "", "05.100000001 05.2 06"],
  ["05.100000001", "05.2", "05.100000001 05.2"],
  ["", "05", "05"],
  ["", "05.099999999", "05"],
  ["06.000000001", "", ""],
])("from %s until %s, to the nanosecond, both included", (since, until, wanted) => {
  const at = (text: string): string => `2026-01-02T03:04:${text}Z`;
  const options = { ...(since ? { since: at(since) } : {}), ...(until ? { until: at(until) } : {}) };
  expect(render(TIMES, options).trim().split("\n").join(" ")).toBe(wanted);
});

test("after the first entry that is late enough all are, whatever the clock did; until ends it for good", () => {
  const rows = timed("07") + timed("05") + timed("09") + timed("06");
  const renderer = new LogRenderer({ ...ALL, since: "2026-01-02T03:04:06Z", until: "2026-01-02T03:04:08Z" }, true);
  expect(renderer.render(Buffer.from(rows)).toString()).toBe("07\n05\n");
  expect(renderer.ended).toBe(true);
  expect(renderer.render(Buffer.from(timed("07"))).toString()).toBe("");
});

test("much that grows: details longer than the file's own text", () => {
  const attrs = { key: "ä".repeat(1000) };
  const rows = row("x\n", { attrs }).repeat(200);
  expect(render(rows, { details: true })).toBe(`key=${"%C3%A4".repeat(1000)} x\n`.repeat(200));
});
