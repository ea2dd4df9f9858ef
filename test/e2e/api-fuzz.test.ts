import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { SHAPES } from "../../src/api/shapes.ts";
import type { Shape } from "../../src/api/validate.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// Requests made by chance, the same ones each time: whatever a client says, its mistake is never answered with a 500 and never ends the daemon.
setDefaultTimeout(300_000);

const ROUNDS = 1200;
const AT_ONCE = 8;
const MULTIPLIER = 1_664_525;
const INCREMENT = 1_013_904_223;

/** Mistakes of the client that dockerd answers with 500 too, in these words. */
const DOCKERS_OWN = /Cannot locate specified Dockerfile|cannot remove the default link name|"ps: error/;

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** A linear congruential generator: the seed alone decides all requests. */
class Chance {
  constructor(private state: number) {}

  below(limit: number): number {
    this.state = (Math.imul(this.state, MULTIPLIER) + INCREMENT) >>> 0;
    return Math.floor((this.state / 2 ** 32) * limit);
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

const ROUTES: [method: string, path: string][] = [
  ["GET", "/_ping"],
  ["GET", "/version"],
  ["GET", "/info"],
  ["GET", "/events?until=1&"],
  ["GET", "/system/df"],
  ["GET", "/containers/json"],
  ...Array.from({ length: 15 }, (): [string, string] => ["POST", "/containers/create"]),
  ["POST", "/containers/prune"],
  ["GET", "/containers/ID/json"],
  ["GET", "/containers/ID/top"],
  ["GET", "/containers/ID/logs"],
  ["GET", "/containers/ID/stats?stream=0&"],
  ...Array.from({ length: 8 }, (): [string, string] => ["POST", "/containers/ID/start"]),
  ["POST", "/containers/ID/stop?t=0&"],
  ["POST", "/containers/ID/restart?t=0&"],
  ["POST", "/containers/ID/kill"],
  ["POST", "/containers/ID/rename"],
  ["POST", "/containers/ID/resize"],
  ["POST", "/containers/ID/update"],
  ["DELETE", "/containers/ID"],
  ["POST", "/containers/ID/exec"],
  ["POST", "/exec/ID/start"],
  ["POST", "/exec/ID/resize"],
  ["GET", "/exec/ID/json"],
  ["GET", "/images/json"],
  ["GET", "/images/ID/json"],
  ["GET", "/images/ID/history"],
  ["POST", "/images/ID/tag"],
  ["POST", "/images/load"],
  ["POST", "/images/create?fromSrc=-&"],
  ["POST", "/build"],
  ["GET", "/networks"],
  ["GET", "/networks/ID"],
  ["POST", "/networks/prune"],
  ["GET", "/volumes"],
  ["POST", "/volumes/create"],
  ["GET", "/volumes/ID"],
  ["DELETE", "/volumes/ID"],
  ["POST", "/volumes/prune"],
];
/** The shape of a route's body, by a part of its path. */
const BODIES: [string, Shape][] = [
  ["/containers/create", "#ContainerConfig"],
  ["/update", "#HostConfig"],
  ["/exec/", { object: { Detach: "boolean", Tty: "boolean", ConsoleSize: { array: "integer" } } }],
  [
    "/exec",
    {
      object: {
        Cmd: { array: "string" },
        Env: { array: "string" },
        User: "string",
        WorkingDir: "string",
        Tty: "boolean",
        Privileged: "boolean",
        AttachStdout: "boolean",
      },
    },
  ],
  ["/volumes/create", "#VolumeCreateOptions"],
];
const QUERY =
  "all force v t signal name filters limit size stdout stderr tail since until follow ps_args w h repo tag dockerfile target labels buildargs memory rm nocache detachKeys link noprune platform".split(
    " ",
  );
const TEXTS = [
  ...[
    "",
    "busybox",
    "fuzz",
    "x",
    "0",
    "-1",
    "true",
    "host",
    "none",
    "bridge",
    "container:fuzz",
    "9",
    "SIGKILL",
    "KILL",
    "a=b",
    "A",
    "80/tcp",
    "80-90/udp",
  ],
  ...[
    "1.2.3.4",
    "::1",
    "json-file",
    "nofile",
    "no-new-privileges",
    "seccomp=unconfined",
    "NET_ADMIN",
    "ALL",
    "tmpfs",
    "volume",
    "1m",
    "0-1",
    "root",
    "1:1",
    "on-failure",
  ],
  ...[
    "\0",
    "\n",
    "é\u{1f980}",
    "../..",
    "%2e%2e",
    "a".repeat(300),
    "{}",
    '{"a":["b"]}',
    '{"status":["nope"]}',
    "[]",
    "null",
    "ctrl-p",
    "1e999",
    "NaN",
    "99999999999999999999",
  ],
];
const NUMBERS = [
  0,
  1,
  -1,
  2,
  10,
  80,
  255,
  65_535,
  65_536,
  1e6,
  6_291_456,
  1e9,
  2 ** 31,
  2 ** 53,
  -(2 ** 31),
  0.5,
  1e30,
];

/** A value of that shape, or now and then one of another. */
function value(chance: Chance, shape: Shape, depth = 0): unknown {
  if (chance.below(60) === 0) return chance.of([null, 7, "text", true, [], {}, [[[]]]]);
  if (typeof shape === "object") return composed(chance, shape, depth);
  if (shape.startsWith("#")) return value(chance, SHAPES[shape] ?? "any", depth);
  if (shape === "integer" || shape === "number") return chance.of(NUMBERS);
  return shape === "boolean" ? chance.below(2) === 0 : chance.of(TEXTS);
}

function composed(chance: Chance, shape: Exclude<Shape, string>, depth: number): unknown {
  const some = <T>(make: () => T): T[] => Array.from({ length: chance.below(3) }, make);
  if ("array" in shape) return some(() => value(chance, shape.array, depth + 1));
  if ("map" in shape) return Object.fromEntries(some(() => [chance.of(TEXTS), value(chance, shape.map, depth + 1)]));
  // Cgroups outside of the daemon's own would stay.
  const names = Object.keys(shape.object).filter((name) => name !== "CgroupParent");
  const chosen = some(() => chance.of(names));
  return Object.fromEntries(chosen.map((name) => [name, value(chance, shape.object[name] ?? "any", depth + 1)]));
}

function body(chance: Chance, path: string): string {
  let content = value(chance, BODIES.find(([part]) => path.includes(part))?.[1] ?? "any");
  // Most get past the first check, so that the later ones see something.
  if (path.includes("/containers/create") && chance.below(10) > 0) {
    const host = value(chance, "#HostConfig");
    content = { ...(content as object), Image: "busybox", ...(chance.below(2) === 0 ? { HostConfig: host } : {}) };
  }
  if (path.endsWith("/exec") && chance.below(4) > 0) content = { ...(content as object), Cmd: ["true"] };
  const text = JSON.stringify(content);
  return chance.below(30) === 0 ? text.slice(0, chance.below(text.length)) : text;
}

function target(chance: Chance, ids: readonly string[]): [string, string] {
  const [method, route] = chance.of(ROUTES);
  const path = route.replace("ID", () => encodeURIComponent(chance.below(8) > 0 ? chance.of(ids) : chance.of(TEXTS)));
  const query = Array.from(
    { length: chance.below(4) },
    () => `${chance.of(QUERY)}=${encodeURIComponent(chance.of(TEXTS))}`,
  );
  const version =
    chance.below(30) === 0 ? chance.of(["/v9.9", "/v1.1"]) : chance.of(["", "/v1.51", "/v1.24", "/v1.41"]);
  return [method, `${version}${path}${path.includes("?") ? "" : "?"}${query.join("&")}`];
}

test.each([1, 4711])("seed %d", async (seed) => {
  const chance = new Chance(seed);
  const ids = [
    "fuzz",
    "busybox",
    "bridge",
    "none",
    await daemon.ok("run", "-d", "--name", "fuzz", "busybox", "sleep", "1000"),
  ];
  const wrong: string[] = [];
  const one = async (): Promise<void> => {
    const [method, path] = target(chance, ids);
    const sent = method === "POST" && chance.below(5) > 0 ? body(chance, path.replace(/\?.*/, "")) : undefined;
    const type = chance.below(20) === 0 ? "text/plain" : "application/json";
    const init = { method, unix: daemon.socket, signal: AbortSignal.timeout(20_000) };
    const answer = await fetch(
      `http://d${path}`,
      sent === undefined ? init : { ...init, body: sent, headers: { "Content-Type": type } },
    );
    const text = await answer.text();
    const made = answer.status === 201 ? /"Id":"([0-9a-f]{64})"/.exec(text)?.[1] : undefined;
    if (made) ids.splice(chance.below(ids.length), 1, made);
    // 501: not there; 503: of a cluster, which this is not.
    if (answer.status >= 500 && ![501, 503].includes(answer.status) && !DOCKERS_OWN.test(text))
      wrong.push(`${method} ${path.slice(0, 300)} ${sent?.slice(0, 500)}: ${answer.status} ${text.slice(0, 300)}`);
    else if (answer.status >= 400 && typeof (JSON.parse(text) as { message?: unknown }).message !== "string")
      wrong.push(`${method} ${path}: no message: ${text}`);
  };
  for (let i = 0; i < ROUNDS; i += AT_ONCE) {
    const before = { ...chance };
    await Promise.all(Array.from({ length: AT_ONCE }, () => one())).catch((error) =>
      wrong.push(`${error} after ${JSON.stringify(before)}`),
    );
  }
  expect(wrong).toEqual([]);
  expect(daemon.log).not.toContain("internal error");
  expect(await daemon.ok("run", "--rm", "busybox", "echo", "still here")).toBe("still here");
  const left = (await daemon.berth("ps", "-aq")).stdout.split("\n").filter(Boolean);
  if (left.length > 0) await daemon.ok("rm", "-f", ...left);
});
