// The same requests and command lines against Berth and against a dockerd where nothing else runs; what differs has to stand in docs/compatibility.md.
// usage: npm run test:differential -- --peer unix:///path/docker.sock [--only TEXT]
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { run } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";
import { exchange, type Send } from "../e2e/operations/exchange.ts";
import { SENT } from "./bodies.ts";
import { type Difference, differences, type Outcome, plain, shape, shapeDifference } from "./compare.ts";
import { READS, SCRIPTS } from "./lines.ts";

const { values } = parseArgs({ options: { peer: { type: "string" }, only: { type: "string", default: "" } } });
const peer = values.peer?.replace(/^unix:\/\//, "");
if (!peer) {
  console.error("usage: npm run test:differential -- --peer unix:///path/docker.sock");
  process.exit(2);
}
const DOC = join(import.meta.dir, "../../docs/compatibility.md");
const known = knownDifferences(readFileSync(DOC, "utf8"));

await using daemon = await TestDaemon.start();
const engines = [daemon.socket, peer] as const;
const found: Difference[] = [];
let compared = 0;

await sameImage();
await both((socket) =>
  docker(socket, ["run", "-d", "--name", "diff", "--label", "diff=1", "busybox", "sleep", "1000"]),
);
try {
  await compareRequests();
  await compareLines();
} finally {
  await both((socket) => docker(socket, ["rm", "-f", "diff", "diff-bad"]));
}
report();

async function both<T>(one: (socket: string) => Promise<T>): Promise<[T, T]> {
  return [await one(engines[0]), await one(engines[1])];
}

/** The peer's busybox in ours: what an image says of itself is then the same. */
async function sameImage(): Promise<void> {
  const file = join(daemon.root, "busybox.tar");
  for (const [socket, args] of [
    [engines[1], ["save", "-o", file, "busybox"]],
    [engines[0], ["load", "-q", "-i", file]],
  ] as const) {
    const done = await docker(socket, [...args]);
    if (done.code !== 0) throw new Error(`${args[0]} of the peer's busybox: ${done.stderr}`);
  }
}

function docker(socket: string, args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: "/nonexistent",
    DOCKER_CONFIG: "/nonexistent",
    DOCKER_BUILDKIT: "0",
  };
  return run([DOCKER, "-H", `unix://${socket}`, ...args], { env });
}

async function compareRequests(): Promise<void> {
  for (const send of SENT.filter((s) => s.line.includes(values.only))) {
    const label = `${send.line}${send.json === undefined ? (send.body ? ` ${send.body}` : "") : ` ${JSON.stringify(send.json)}`}`;
    const [ours, theirs] = await both((socket) => requested(socket, send));
    compared++;
    const bodies = ours.parts["status"] === theirs.parts["status"] ? shapeDifference(ours.shape, theirs.shape) : "";
    found.push(...differences(short(label), { ...ours.parts, body: bodies }, { ...theirs.parts, body: "" }));
  }
}

async function requested(socket: string, send: Send): Promise<{ parts: Outcome; shape: string[] }> {
  const [method, path] = send.line.split(" ");
  const answer = await exchange(socket, { ...send, line: `${method} /v1.51${path}` });
  if (answer.status === 201 && send.line.startsWith("POST /containers/create")) {
    await exchange(socket, { line: `DELETE /v1.51/containers/${(answer.body as { Id: string }).Id}` });
  }
  const failed = answer.status >= 400;
  const message = failed ? plain((answer.body as { message?: string } | undefined)?.message ?? answer.text) : "";
  return { parts: { status: String(answer.status), message }, shape: failed ? [] : shape(answer.body) };
}

async function compareLines(): Promise<void> {
  for (const line of READS.filter((l) => l.includes(values.only))) await compareLine(line);
  for (const [name, script] of Object.entries(SCRIPTS)) {
    if (!name.includes(values.only)) continue;
    const since = await both(async () => (Date.now() / 1000).toFixed(3));
    for (const line of script) await compareLine(line, `${name}: ${line}`);
    const until = (Date.now() / 1000 + 0.5).toFixed(3);
    const events = await Promise.all(engines.map((socket, i) => eventsOf(socket, since[i] ?? "", until)));
    found.push(...differences(name, { events: events[0] ?? "" }, { events: events[1] ?? "" }));
  }
}

async function compareLine(line: string, label = line): Promise<void> {
  const args = (line.match(/(?:[^\s']|'[^']*')+/g) ?? []).map((word) => word.replaceAll("'", ""));
  const [ours, theirs] = await both((socket) => docker(socket, args));
  compared++;
  const parts = (done: typeof ours): Outcome => {
    return { code: String(done.code), stdout: plain(done.stdout), stderr: plain(done.stderr) };
  };
  found.push(...differences(`docker ${label}`, parts(ours), parts(theirs)));
}

/** Kind, action and attributes of each event, those of the scripts' own objects. */
async function eventsOf(socket: string, since: string, until: string): Promise<string> {
  const done = await docker(socket, ["events", "--since", since, "--until", until, "--format", "{{json .}}"]);
  const events = done.stdout
    .split("\n")
    .filter(Boolean)
    .map((l) => JSON.parse(l) as { Type: string; Action: string; Actor: { Attributes: object } });
  return events.map((e) => `${e.Type} ${plain(e.Action)} ${attributesOf(e.Actor.Attributes)}`).join("\n");
}

/** Why a stop had to kill is told by Berth alone. */
function attributesOf(attributes: object): string {
  const names = Object.keys(attributes).filter((name) => name !== "reason");
  return names.sort().join(",");
}

function short(text: string): string {
  const bare = decodeURIComponent(text.replace(/%(?![0-9A-F]{2})/g, "%25"));
  return bare.length > 160 ? `${bare.slice(0, 157)}...` : bare;
}

/** Rows of the page's tables: | `what` | part | reason |. A `*` at the end of `what` stands for all that begin so. */
function knownDifferences(page: string): { what: string; part: string }[] {
  return [...page.matchAll(/^\| `(.+?)` \| (\w+) \|/gm)].map(([, what = "", part = ""]) => ({
    what: what.replaceAll("\\|", "|"),
    part,
  }));
}

function report(): void {
  const used = new Set<object>();
  const fresh = found.filter(({ what, part }) => {
    const row = known.find(
      (k) =>
        (k.part === part || k.part === "all") &&
        (k.what === what || (k.what.endsWith("*") && what.startsWith(k.what.slice(0, -1)))),
    );
    if (row) used.add(row);
    return !row;
  });
  for (const { what, part, berth, peer: theirs } of fresh)
    console.log(`\n${what}\n  ${part}\n    berth: ${berth}\n    peer:  ${theirs}`);
  const stale = values.only === "" ? known.filter((k) => !used.has(k)) : [];
  for (const { what, part } of stale) console.log(`no longer different: ${what} (${part})`);
  console.log(
    `${compared} requests and command lines compared, ${found.length - fresh.length} known differences, ${fresh.length} unknown, ${stale.length} stale`,
  );
  if (fresh.length + stale.length > 0) process.exitCode = 1;
}
