import { expect, test } from "bun:test";
import { parseSize } from "../spec/size.ts";
import { hostsText } from "./container/network-files.ts";
import { afterExit, afterFailedStart, afterStart, awaitingRestart, freshState, type StateRecord } from "./record.ts";
import { restartDelay, shouldRestart, startsWithDaemon } from "./restart-policy.ts";
import { detachScanner, parseDetachKeys } from "./splice.ts";

// The pure parts of a container's life: states, policies, and what people write.

const run = { pid: 42, startedAt: 1000, byPolicy: false };
const exit = { code: 3, oomKilled: false, startedAt: 1000, finishedAt: 2000 };

test("a whole life: each state follows from the last", () => {
  const running = afterStart(freshState(), run);
  expect(running).toMatchObject({ status: "running", pid: 42, startedAt: 1000, finishedAt: 0, exitCode: 0 });
  const ended = afterExit(running, exit);
  expect(ended).toMatchObject({ status: "exited", pid: 0, exitCode: 3, startedAt: 1000, finishedAt: 2000 });
  const waiting = awaitingRestart(ended);
  expect(waiting).toMatchObject({ status: "restarting", restartCount: 1, exitCode: 3, pid: 0 });
  const again = afterStart(waiting, { ...run, pid: 43, startedAt: 3000, byPolicy: true });
  expect(again).toMatchObject({ status: "running", restartCount: 1, exitCode: 0, finishedAt: 2000 });
  expect(afterStart(afterExit(again, exit), run).restartCount).toBe(0);
});

test("what one run was told does not stay for the next", () => {
  const killed = afterExit(
    { ...afterStart(freshState(), run), manualStop: true },
    { ...exit, oomKilled: true, error: "lost" },
  );
  expect(killed).toMatchObject({ manualStop: true, oomKilled: true, error: "lost" });
  expect(afterStart(killed, run)).toMatchObject({ manualStop: false, oomKilled: false, error: "", exitCode: 0 });
});

test("a failed start leaves a new one created and one that ran exited", () => {
  const failure = { code: 127, error: "no such file" };
  expect(afterFailedStart(freshState(), failure)).toMatchObject({
    status: "created",
    exitCode: 127,
    error: "no such file",
  });
  const ran = afterExit(afterStart(freshState(), run), exit);
  expect(afterFailedStart(ran, failure)).toMatchObject({ status: "exited", exitCode: 127, finishedAt: 2000 });
});

test("an exit without a time of its start keeps the one that was recorded", () => {
  expect(afterExit(afterStart(freshState(), run), { ...exit, startedAt: 0 }).startedAt).toBe(1000);
});

type Policy = NonNullable<Parameters<typeof shouldRestart>[0]>;
const ended = (parts: Partial<StateRecord> = {}): StateRecord => ({
  ...afterExit(afterStart(freshState(), run), exit),
  ...parts,
});

test.each<[Policy | undefined, Partial<StateRecord>, boolean, boolean]>([
  [undefined, {}, false, false],
  [{ Name: "no" }, {}, false, false],
  [{ Name: "" }, {}, false, false],
  [{ Name: "always" }, {}, true, true],
  [{ Name: "always" }, { exitCode: 0 }, true, true],
  [{ Name: "always" }, { manualStop: true }, false, true],
  [{ Name: "unless-stopped" }, {}, true, true],
  [{ Name: "unless-stopped" }, { manualStop: true }, false, false],
  [{ Name: "on-failure" }, {}, true, false],
  [{ Name: "on-failure" }, { exitCode: 0 }, false, false],
  [{ Name: "on-failure" }, { status: "restarting" }, true, true],
  [{ Name: "on-failure", MaximumRetryCount: 2 }, { restartCount: 1 }, true, false],
  [{ Name: "on-failure", MaximumRetryCount: 2 }, { restartCount: 2 }, false, false],
  [{ Name: "on-failure", MaximumRetryCount: 0 }, { restartCount: 1000 }, true, false],
  [{ Name: "always" }, { startedAt: 0 }, true, false],
])("policy %p in state %p: after an exit %p, with the daemon %p", (policy, parts, after, withDaemon) => {
  expect(shouldRestart(policy, ended(parts))).toBe(after);
  expect(startsWithDaemon(policy, ended(parts))).toBe(withDaemon);
});

test("delays double from 100 ms to a minute, and begin anew after a good run", () => {
  const delays: number[] = [];
  for (let last = 0; delays.length < 12; delays.push(last)) last = restartDelay(last, 50);
  expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
  expect(restartDelay(60_000, 10_000)).toBe(100);
  expect(restartDelay(60_000, 9_999)).toBe(60_000);
});

test.each<[string, number]>([
  ["10", 10],
  ["10b", 10],
  ["10k", 10_240],
  ["10K", 10_240],
  ["10kb", 10_240],
  ["10KiB", 10_240],
  ["1.5m", 1_572_864],
  ["2g", 2 ** 31],
  ["1t", 2 ** 40],
  ["-1", -1],
  [" 5m ", 5_242_880],
])("size %p is %p bytes", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each([
  ["10x", "x"],
  ["1.5 Foo", "foo"],
])("size %p has no such suffix as %p", (text, suffix) => {
  expect(() => parseSize(text)).toThrow(`invalid suffix: '${suffix}'`);
});

test.each(["", "m", "-2", "1,5m", "0x10", "10 20"])("size %p is refused", (text) => {
  expect(() => parseSize(text)).toThrow(`invalid size: '${text}'`);
});

test.each<[string, number[] | undefined]>([
  ["ctrl-p,ctrl-q", [16, 17]],
  ["ctrl-a", [1]],
  ["CTRL-A", [1]],
  ["ctrl-@", [0]],
  ["ctrl-[", [27]],
  ["ctrl-_", [31]],
  ["a,b", [97, 98]],
  ["x", [120]],
  ["ctrl-", undefined],
  ["ctrl-1", undefined],
  ["foo-bar", undefined],
  ["", undefined],
  ["a,,b", undefined],
])("detach keys %p", (text, keys) => {
  expect(parseDetachKeys(text)).toEqual(keys && Uint8Array.from(keys));
});

test.each<[number[], number[][], number[], boolean]>([
  [[16, 17], [[16, 17]], [], true],
  [[16, 17], [[16], [17]], [], true],
  [[16, 17], [[97, 16, 98]], [97, 16, 98], false],
  [[16, 17], [[16, 16, 17]], [16], true],
  [[16, 17], [[16], [97]], [16, 97], false],
  [[16, 17], [[97, 98, 16, 17, 99]], [97, 98], true],
  [[1], [[97, 1, 98]], [97], true],
  [[97, 97, 98], [[97, 97, 97, 98]], [97], true],
])("keys %p in %p: %p passes, left: %p", (keys, chunks, passes, left) => {
  const scan = detachScanner(Uint8Array.from(keys));
  const out: number[] = [];
  let matched = false;
  for (const chunk of chunks) {
    const step = scan(Uint8Array.from(chunk));
    out.push(...step.pass);
    matched ||= step.matched;
  }
  expect([out, matched]).toEqual([passes, left]);
});

test("hosts: gateway, brackets and both separators", () => {
  const text = hostsText(
    [{ ip: "192.0.2.9", names: "me" }],
    ["a:192.0.2.1", "b=192.0.2.2", "c:[2001:db8::1]", "gw:host-gateway"],
    "192.0.2.254",
  );
  expect(text.split("\n").slice(-6)).toEqual([
    ...["192.0.2.1\ta", "192.0.2.2\tb", "2001:db8::1\tc", "192.0.2.254\tgw", "192.0.2.9\tme", ""],
  ]);
});
