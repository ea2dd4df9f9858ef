import { expect, test } from "bun:test";
import { parseSize } from "../spec/size.ts";
import { mergeConfig, processEnv } from "./container/config.ts";
import { probeOf } from "./container/health.ts";
import { hostsText } from "./container/network-files.ts";
import { parsePs } from "./container/top.ts";
import { type Event, EventBus } from "./events.ts";
import { Lock } from "./lock.ts";
import { generateName } from "./names.ts";
import { freshState } from "./record.ts";
import { restartDelay, shouldRestart, startsWithDaemon } from "./restart-policy.ts";
import { detachScanner, parseDetachKeys } from "./splice.ts";
import { execFailure, runtimeFailure } from "./start-error.ts";
import { type Accounts, readAccounts, resolveUser } from "./user.ts";

const image = { Cmd: ["c"], Entrypoint: ["e"], Env: ["A=1", "B=2"], Labels: { x: "1" }, User: "u", WorkingDir: "/w" };

test.each([
  [{}, ["e"], ["c"]],
  [{ Cmd: ["mine"] }, ["e"], ["mine"]],
  [{ Entrypoint: ["mine"] }, ["mine"], undefined],
  [{ Entrypoint: ["mine"], Cmd: ["too"] }, ["mine"], ["too"]],
  [{ Entrypoint: [""] }, undefined, undefined],
  [{ Entrypoint: [], Cmd: [] }, [], ["c"]],
])("Cmd and Entrypoint: %p", (own, entrypoint, cmd) => {
  const merged = mergeConfig(own, image);
  expect(merged.Entrypoint).toEqual(entrypoint);
  expect(merged.Cmd).toEqual(cmd);
});

test("the rest of a configuration: by key, or the container's own", () => {
  expect(mergeConfig({ Env: ["B=3", "C"], Labels: { y: "2" }, WorkingDir: "/mine" }, image)).toMatchObject({
    Env: ["B=3", "C", "A=1"],
    Labels: { x: "1", y: "2" },
    User: "u",
    WorkingDir: "/mine",
  });
  const env = processEnv({ Env: ["HOME=/h", "X"] }, { hostname: "h", home: "/root", tty: true });
  expect(env).toEqual([expect.stringMatching(/^PATH=/), "HOSTNAME=h", "TERM=xterm", "HOME=/h"]);
});

function accountsIn(files: Record<string, string>): Accounts {
  return readAccounts({
    lstat: () => undefined,
    resolve: (path) => path,
    readdir: () => [],
    readFile: (path) => (files[path] === undefined ? undefined : Buffer.from(files[path])),
  });
}

test("users by name and number, with their groups", () => {
  const accounts = accountsIn({
    "/etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:10:20::/app:/bin/sh\n",
    "/etc/group": "root:x:0:\nstaff:x:50:app,other\nweb:x:60:app\n",
  });
  expect(resolveUser(accounts, "")).toEqual({ uid: 0, gid: 0, additionalGids: [0], home: "/root" });
  expect(resolveUser(accounts, "app")).toEqual({ uid: 10, gid: 20, additionalGids: [20, 50, 60], home: "/app" });
  expect(resolveUser(accounts, "10")).toMatchObject({ uid: 10, gid: 20, additionalGids: [20, 50, 60] });
  expect(resolveUser(accounts, "app:staff", ["web"])).toMatchObject({ uid: 10, gid: 50, additionalGids: [50, 60] });
  expect(resolveUser(accounts, "4711:12")).toEqual({ uid: 4711, gid: 12, additionalGids: [12], home: "/" });
  expect(() => resolveUser(accounts, "ghost")).toThrow("unable to find user ghost: no matching entries in passwd file");
  expect(() => resolveUser(accounts, "app:50:60")).toThrow("unable to find group 50:60: no matching entries");
  expect(() => resolveUser(accounts, "app:ghost")).toThrow(
    "unable to find group ghost: no matching entries in group file",
  );
  for (const user of ["99999999999", "-1", "0:-1"])
    expect(() => resolveUser(accounts, user)).toThrow("uids and gids must be in range");
  expect(resolveUser(accountsIn({}), "0")).toMatchObject({ uid: 0, gid: 0 });
});

test("detach keys are found over chunks, and what only looks like them passes", () => {
  const keys = parseDetachKeys("ctrl-p,ctrl-q");
  expect(keys).toEqual(Uint8Array.from([16, 17]));
  expect(parseDetachKeys("ctrl-é")).toBeUndefined();
  expect(parseDetachKeys("a,ctrl-[")).toEqual(Uint8Array.from([97, 27]));
  const scan = detachScanner(keys ?? new Uint8Array());
  expect(scan(Buffer.from("x\x10"))).toEqual({ pass: Buffer.from("x"), matched: false });
  expect(scan(Buffer.from("y"))).toEqual({ pass: Buffer.from("\x10y"), matched: false });
  expect(scan(Buffer.from("\x10\x10"))).toEqual({ pass: Buffer.from("\x10"), matched: false });
  expect(scan(Buffer.from("\x11rest"))).toEqual({ pass: Buffer.from(""), matched: true });
});

test.each([
  [
    "executable file `x` not found in $PATH: No such file or directory",
    127,
    'exec: "x": executable file not found in $PATH',
  ],
  ['exec: "x": executable file not found in $PATH', 127, 'exec: "x": executable file not found in $PATH'],
  ["open executable: Permission denied", 126, 'exec: "x": permission denied'],
  ["open executable: Operation not permitted", 126, 'exec: "x": permission denied'],
  ['exec: "x": is a directory', 126, 'exec: "x": is a directory: permission denied'],
  ["exec x: exec format error", 126, "exec x: exec format error"],
  ["cannot set hostname", 128, "cannot set hostname"],
])("the runtime's words become Docker's: %s", (text, code, words) => {
  const failure = runtimeFailure(new Error(text), "x");
  expect(failure.code).toBe(code);
  expect(failure.error.message).toContain(
    `OCI runtime create failed: unable to start container process: ${words}: unknown`,
  );
  expect(failure.error.kind).toBe(code === 128 ? "internal" : "invalid-argument");
});

test("an exec in a missing folder has code 127, as with Docker", () => {
  expect(execFailure(new Error("chdir `/nodir`: No such file or directory"), "ls").code).toBe(127);
});

test("restart policies", () => {
  const failed = { ...freshState(), exitCode: 1, startedAt: 1 };
  expect(shouldRestart({ Name: "no" }, failed)).toBe(false);
  expect(shouldRestart({ Name: "on-failure" }, failed)).toBe(true);
  expect(shouldRestart({ Name: "on-failure" }, { ...failed, exitCode: 0 })).toBe(false);
  expect(shouldRestart({ Name: "on-failure", MaximumRetryCount: 2 }, { ...failed, restartCount: 2 })).toBe(false);
  expect(shouldRestart({ Name: "always" }, { ...failed, manualStop: true })).toBe(false);
  expect(startsWithDaemon({ Name: "always" }, { ...failed, manualStop: true })).toBe(true);
  expect(startsWithDaemon({ Name: "unless-stopped" }, { ...failed, manualStop: true })).toBe(false);
  expect(startsWithDaemon({ Name: "always" }, freshState())).toBe(false);
  expect([0, 100, 200, 51_200].map((last) => restartDelay(last, 5))).toEqual([100, 200, 400, 60_000]);
  expect(restartDelay(6_400, 10_000)).toBe(100);
});

test("sizes as people write them", () => {
  expect(["10m", "1.5k", "64KB", "7", "-1"].map(parseSize)).toEqual([10485760, 1536, 65536, 7, -1]);
  expect(() => parseSize("ten")).toThrow("invalid size: 'ten'");
});

test("hosts file: localhost, further hosts, the container itself", () => {
  const text = hostsText(
    [{ ip: "10.0.0.2", names: "me" }],
    ["db:10.0.0.9", "gw:host-gateway", "six:[::5]"],
    "10.0.0.1",
  );
  expect(text.split("\n")).toContain("127.0.0.1\tlocalhost");
  expect(text).toEndWith("10.0.0.9\tdb\n10.0.0.1\tgw\n::5\tsix\n10.0.0.2\tme\n");
});

test("ps rows of the container alone, the command with its spaces", () => {
  const text = "UID   PID  CMD\nroot    7  sleep 10\nroot   8  other\n";
  expect(parsePs(text, new Set([7]))).toEqual({
    Titles: ["UID", "PID", "CMD"],
    Processes: [["root", "7", "sleep 10"]],
  });
  expect(() => parsePs("UID CMD\n", new Set())).toThrow("Couldn't find PID field in ps output");
});

test("health checks: shell and plain commands, defaults, none", () => {
  expect(probeOf({ Test: ["CMD-SHELL", "a b"] }, undefined)).toMatchObject({
    argv: ["/bin/sh", "-c", "a b"],
    interval: 30_000,
    retries: 3,
  });
  expect(probeOf({ Test: ["CMD", "a", "b"], Interval: 5e6, Retries: 1 }, undefined)).toMatchObject({
    argv: ["a", "b"],
    interval: 5,
    retries: 1,
  });
  expect(probeOf({ Test: ["NONE"] }, undefined)).toBeUndefined();
});

test("generated names are free ones, with a number when the plain ones run out", () => {
  expect(generateName(() => false)).toMatch(/^[a-z]+_[a-z]+$/);
  expect(generateName((name) => !/\d$/.test(name))).toMatch(/^[a-z]+_[a-z]+\d+$/);
});

test("a lock runs bodies in order, also after one that failed", async () => {
  const lock = new Lock();
  const order: number[] = [];
  const slow = lock.run(async () => {
    await new Promise((done) => setTimeout(done, 5));
    order.push(1);
    throw new Error("one");
  });
  const fast = lock.run(async () => void order.push(2));
  await expect(slow).rejects.toThrow("one");
  await fast;
  expect(order).toEqual([1, 2]);
});

test("events: past ones by filter, then live ones until the signal; times never repeat", async () => {
  const bus = new EventBus();
  bus.emit("container", "start", { id: "aaa", attributes: { name: "one", image: "img:1", k: "v" } });
  bus.emit("image", "tag", { id: "sha256:i", attributes: { name: "img:1" } });
  const past = async (filters: Record<string, string[]>): Promise<unknown[]> => {
    const options = { since: 0, until: Date.now() + 1, filters, signal: new AbortController().signal };
    return (await Array.fromAsync(bus.stream(options))).flat().map((e) => e.Action);
  };
  expect(await past({})).toEqual(["start", "tag"]);
  expect(await past({ container: ["one"] })).toEqual(["start"]);
  expect(await past({ type: ["image"], event: ["tag", "untag"] })).toEqual(["tag"]);
  expect(await past({ label: ["k=v"] })).toEqual(["start"]);
  expect(await past({ image: ["img"] })).toEqual(["start", "tag"]);
  const abort = new AbortController();
  const live = bus.stream({ filters: {}, signal: abort.signal });
  const next = live.next();
  for (let i = 0; i < 100; i++) bus.emit("volume", "create", { id: `v${i}` });
  const batch: Event[] = (await next).value ?? [];
  expect(batch).toHaveLength(100);
  expect(batch[0]).toMatchObject({ Type: "volume", scope: "local", Actor: { ID: "v0" } });
  bus.emit("volume", "create", { id: "later" });
  expect((await live.next()).value).toMatchObject([{ Actor: { ID: "later" } }]);
  abort.abort();
  expect(await live.next()).toEqual({ done: true, value: undefined });
  const times = batch.map((event) => event.timeNano ?? 0);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(bus.listeners).toBe(0);
});
