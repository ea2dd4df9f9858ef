import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Backend } from "../../api/backend.ts";
import { EngineHarness, never, testClient } from "../../testing/engine-harness.ts";

// What a Docker client reads when a verb cannot be done: the words and the kind, which is the status, as Docker 28.5 has them.

let h: EngineHarness;
const ids: Record<string, string> = {};
beforeAll(async () => {
  h = await EngineHarness.open();
  ids["created"] = await h.create(["true"], {}, "created");
  ids["exited"] = await h.start(["sh", "-c", "exit 3"], {}, "exited");
  await h.wait(ids["exited"]);
  ids["running"] = await h.start(["sleep", "1000"], {}, "running");
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

type Verb = (b: Backend, name: string) => Promise<unknown> | unknown;
const size = { rows: 10, cols: 10 };
const rm = { force: false, volumes: false, link: false };
const logs = { stdout: true, stderr: true, follow: false, timestamps: false };
const attach = { stdin: false, stdout: true, stderr: true, stream: true, logs: false };

const VERBS: Record<string, Verb> = {
  inspect: (b, n) => b.container.inspect(n, { size: false }),
  start: (b, n) => b.container.start(n, {}),
  stop: (b, n) => b.container.stop(n, {}),
  restart: (b, n) => b.container.restart(n, {}),
  kill: (b, n) => b.container.kill(n, {}),
  "kill FOO": (b, n) => b.container.kill(n, { signal: "FOO" }),
  "kill 0": (b, n) => b.container.kill(n, { signal: "0" }),
  "kill 65": (b, n) => b.container.kill(n, { signal: "65" }),
  rename: (b, n) => b.container.rename(n, "fresh-name"),
  "rename to a taken name": (b, n) => b.container.rename(n, n === "running" ? "created" : "running"),
  "rename to a bad name": (b, n) => b.container.rename(n, "-"),
  "rename to itself": (b, n) => b.container.rename(n, n),
  "rename to nothing": (b, n) => b.container.rename(n, ""),
  wait: (b, n) => b.container.wait(n, { condition: "not-running", signal: never(), ready: () => undefined }),
  remove: (b, n) => b.container.remove(n, rm),
  "remove link": (b, n) => b.container.remove(n, { ...rm, link: true }),
  resize: (b, n) => b.container.resize(n, size),
  top: (b, n) => b.container.top(n, ""),
  "top -ofoo": (b, n) => b.container.top(n, "-ofoo"),
  "top -opid=xx": (b, n) => b.container.top(n, "-opid=xx"),
  "top -ocmd": (b, n) => b.container.top(n, "-ocmd"),
  logs: (b, n) => b.container.logs(n, { ...logs, signal: never() }),
  "logs of nothing": (b, n) => b.container.logs(n, { ...logs, stdout: false, stderr: false, signal: never() }),
  attach: (b, n) => b.container.attach(n, attach, testClient().ready),
  "attach with odd keys": (b, n) => b.container.attach(n, { ...attach, detachKeys: "foo-bar" }, testClient().ready),
  stats: (b, n) => b.container.stats(n, { stream: false, oneShot: true, signal: never() }),
  update: (b, n) => b.container.update(n, { CpuShares: 512 }),
  "update memory": (b, n) => b.container.update(n, { Memory: 1000 }),
  "update policy": (b, n) => b.container.update(n, { RestartPolicy: { Name: "foo" as "no" } }),
  exec: (b, n) => b.exec.create(n, { Cmd: ["true"] }),
  "exec nothing": (b, n) => b.exec.create(n, {}),
  "exec an empty word": (b, n) => b.exec.create(n, { Cmd: [""] }),
  "exec in a relative folder": (b, n) => b.exec.create(n, { Cmd: ["true"], WorkingDir: "a" }),
  "exec with odd keys": (b, n) => b.exec.create(n, { Cmd: ["true"], DetachKeys: "foo-bar" }),
  "exec as nobody known": (b, n) => b.exec.create(n, { Cmd: ["true"], User: "nobodyknown" }),
};

const TAKEN = (other: string): string =>
  `Error when allocating new name: Conflict. The container name "/${other}" is already in use by container "ID ${other}". You have to remove (or rename) that container to be able to reuse that name.`;
const NOT_RUNNING = (name: string): string => `container ID ${name} is not running`;

/** What is refused for every state of a container, and for one that is not there. */
const ALWAYS: [verb: string, kind: string, words: string][] = [
  ["kill FOO", "invalid-argument", "cannot kill container: NAME: invalid signal: FOO"],
  ["kill 65", "invalid-argument", "cannot kill container: NAME: the linux daemon does not support signal 65"],
  ["rename to nothing", "invalid-argument", "Neither old nor new names may be empty"],
  ["exec nothing", "invalid-argument", "No exec command specified"],
  ["exec an empty word", "invalid-argument", "No exec command specified"],
];

const AT_REST: [verb: string, kind: string, words: (name: string) => string][] = [
  ["stop", "not-modified", (n) => `container ID ${n} is already stopped`],
  ["kill", "conflict", (n) => `cannot kill container: NAME: ${NOT_RUNNING(n)}`],
  ["resize", "conflict", NOT_RUNNING],
  ["top", "conflict", NOT_RUNNING],
  ["top -ofoo", "conflict", NOT_RUNNING],
  ["exec", "conflict", NOT_RUNNING],
  ["rename to a taken name", "conflict", () => TAKEN("running")],
];

const EXISTING: [verb: string, kind: string, words: string][] = [
  [
    "rename to a bad name",
    "invalid-argument",
    "Error when allocating new name: Invalid container name (/-), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
  ],
  ["rename to itself", "invalid-argument", "Renaming a container with the same name as its current name"],
  ["remove link", "internal", "Conflict, cannot remove the default link name of the container"],
  ["logs of nothing", "invalid-argument", "Bad parameters: you must choose at least one stream"],
  ["attach with odd keys", "invalid-argument", "Invalid detach keys (foo-bar) provided"],
  ["update memory", "invalid-argument", "Minimum memory limit allowed is 6MB"],
  [
    "update policy",
    "invalid-argument",
    "invalid restart policy: unknown policy 'foo'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
  ],
];

const RUNNING: [verb: string, kind: string, words: string][] = [
  ["start", "not-modified", "container ID running is already running"],
  [
    "remove",
    "conflict",
    'cannot remove container "running": container is running: stop the container before removing or force remove',
  ],
  ["rename to a taken name", "conflict", TAKEN("created")],
  ["top -ofoo", "internal", "ps: error: unknown user-defined format specifier"],
  ["top -opid=xx", "internal", 'specifying "PID" with a custom title is not supported'],
  ["top -ocmd", "internal", "Couldn't find PID field in ps output"],
  [
    "exec in a relative folder",
    "invalid-argument",
    "the working directory 'a' is invalid, it needs to be an absolute path",
  ],
  ["exec with odd keys", "invalid-argument", "Invalid escape keys (foo-bar) provided"],
  ["exec as nobody known", "invalid-argument", "unable to find user nobodyknown: no matching entries in passwd file"],
];

const MISSING_SAYS: Record<string, string> = { kill: "cannot kill container: nosuch: No such container: nosuch" };

const CASES: [verb: string, name: string, kind: string, words: string][] = [
  ...["created", "exited", "running", "nosuch"].flatMap((name) =>
    ALWAYS.map(([v, kind, words]): [string, string, string, string] => [v, name, kind, words]),
  ),
  ...["created", "exited"].flatMap((name) =>
    AT_REST.map(([v, kind, words]): [string, string, string, string] => [v, name, kind, words(name)]),
  ),
  ...["created", "exited", "running"].flatMap((name) =>
    EXISTING.map(([v, kind, words]): [string, string, string, string] => [v, name, kind, words]),
  ),
  ...RUNNING.map(([v, kind, words]): [string, string, string, string] => [v, "running", kind, words]),
  ...["inspect", "start", "stop", "restart", "kill", "rename", "wait", "remove", "resize", "top"]
    .concat(["logs", "attach", "stats", "update", "exec"])
    .map((v): [string, string, string, string] => [
      v,
      "nosuch",
      "not-found",
      MISSING_SAYS[v] ?? "No such container: nosuch",
    ]),
];

test.each(CASES)("%s of %s: %s", async (verb, name, kind, words) => {
  const wanted = words.replace("NAME", name).replace(/\bID (\w+)/, (_, n: string) => ids[n] ?? "");
  const doing = async (): Promise<unknown> => VERBS[verb]?.(h.backend, name);
  await expect(doing()).rejects.toMatchObject({ kind, message: expect.stringContaining(wanted) });
});

test("what was refused has changed nothing", async () => {
  const all = await h.backend.container.list({ all: true, size: false, filters: {} });
  expect(all.map((c) => [c.Names?.[0], c.State])).toEqual([
    ["/running", "running"],
    ["/exited", "exited"],
    ["/created", "created"],
  ]);
  const { HostConfig: host } = await h.backend.container.inspect("created", { size: false });
  expect(host).toMatchObject({ Memory: 0, CpuShares: 0, RestartPolicy: { Name: "no", MaximumRetryCount: 0 } });
});

test("a container is meant by its id, a unique part of it, its name, and its name with a slash", async () => {
  const id = ids["running"] ?? "";
  for (const name of [id, id.slice(0, 12), id.slice(0, 5), "running", "/running"]) {
    expect((await h.backend.container.inspect(name, { size: false })).Id).toBe(id);
  }
  // A name goes before an id that begins so.
  const odd = await h.create(["true"], {}, id.slice(0, 12));
  expect((await h.backend.container.inspect(id.slice(0, 12), { size: false })).Id).toBe(odd);
  await h.backend.container.remove(odd, { ...rm, force: true });
});

test("a part of an id that more than one has is refused", async () => {
  const made: string[] = [];
  // Two of seventeen begin with the same digit.
  for (let i = 0; i < 17; i++) made.push(await h.create(["true"]));
  const first = made.map((id) => id[0] ?? "").find((c, i, all) => all.indexOf(c) !== i) ?? "";
  await expect(h.backend.container.inspect(first, { size: false })).rejects.toMatchObject({
    kind: "invalid-argument",
    message: `multiple IDs found with provided prefix: ${first}`,
  });
  for (const id of made) await h.backend.container.remove(id, { ...rm, force: true });
});

test("signals by name, with SIG, in small letters and by number", async () => {
  for (const signal of ["USR1", "SIGUSR1", "usr1", "10"]) {
    const trap = 'trap "exit 42" USR1; echo up; while :; do sleep 0.02; done';
    const id = await h.start(["sh", "-c", trap]);
    while ((await h.logs(id)) === "") await Bun.sleep(5);
    await h.backend.container.kill(id, { signal });
    expect(await h.wait(id)).toBe(42);
    await h.backend.container.remove(id, rm);
  }
});

test("an exec that is unknown, has run or runs is refused", async () => {
  const b = h.backend.exec;
  const start = { detach: true, tty: false };
  await expect(b.inspect("nosuch")).rejects.toMatchObject({
    kind: "not-found",
    message: "No such exec instance: nosuch",
  });
  await expect(b.start("nosuch", start, testClient().ready)).rejects.toMatchObject({ kind: "not-found" });
  await expect(b.resize("nosuch", size)).rejects.toMatchObject({ kind: "not-found" });
  const { Id: id } = await b.create("running", { Cmd: ["sleep", "1000"] });
  const early = b.resize(id, size);
  await b.start(id, start, testClient().ready);
  await expect(b.start(id, start, testClient().ready)).rejects.toMatchObject({
    kind: "conflict",
    message: `exec command ${id} is already running`,
  });
  await early;
});

test("an exec that was made before its container stopped does not start after it", async () => {
  const id = await h.start(["sleep", "1000"]);
  const { Id: exec } = await h.backend.exec.create(id, { Cmd: ["true"] });
  await h.backend.container.kill(id, {});
  await expect(h.backend.exec.start(exec, { detach: true, tty: false }, testClient().ready)).rejects.toMatchObject({
    kind: "conflict",
    message: `container ${id} is not running`,
  });
  await h.backend.container.remove(id, rm);
  await expect(h.backend.exec.inspect(exec)).rejects.toMatchObject({ kind: "not-found" });
});
