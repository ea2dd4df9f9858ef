import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/host/spawn.ts";
import { dockerArchive, tar } from "../../src/image/fixture.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// SIGKILL of the daemon at random moments under a mixed load, also while it starts: after each restart all that exists has an owner, and works.

const ROUNDS = 25;
const SEED = Number(process.env["BERTH_SEED"] ?? 20_260_101);
const LONGEST_MS = 350;
const OPERATIONS = 5;
const PORTS = 23_000;
const POOL = 8;
/** Only how long a problem may last before it is printed instead of waited for. */
const PATIENCE_MS = 15_000;

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  mkdirSync(join(daemon.root, "context"));
  writeFileSync(join(daemon.root, "context", "file"), "content");
  for (let i = 0; i < 3; i++) {
    const layers = [
      tar({ name: "shared", data: "same" }),
      tar({ name: `own${i}`, data: "x".repeat(200_000 * (i + 1)) }),
    ];
    writeFileSync(join(daemon.root, `archive${i}`), dockerArchive({ layers, tags: [`loaded:${i}`] }));
  }
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** mulberry32: the same numbers for the same seed. */
function randomFrom(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Listed {
  Id: string;
  Names: string[];
  State: string;
  Command: string;
  Ports: { PublicPort?: number; Type: string; IP?: string }[];
}

interface Dice {
  random: () => number;
  next: number;
}

const pick = <T>(dice: Dice, from: readonly T[]): T | undefined => from[Math.floor(dice.random() * from.length)];

async function api<T>(path: string): Promise<T> {
  const answer = await fetch(`http://d${path}`, { unix: daemon.socket });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

const listed = (): Promise<Listed[]> => api<Listed[]>("/containers/json?all=1");

/** One command of a person. It may fail in any way: the daemon is about to be killed. */
function operation(dice: Dice, known: readonly Listed[]): Promise<unknown> {
  const n = dice.next++;
  const some = pick(dice, known)?.Id ?? "none";
  const volume = `kept${n % 3}:/data`;
  const mounts = ["-v", volume, "-v", "/anonymous"];
  const commands: string[][] = [
    ["run", "--rm", "-v", volume, "busybox", "sh", "-c", "echo x >>/data/log"],
    ["run", "--rm", "-p", "80", "busybox", "sleep", "0.2"],
    ["run", "-d", "--name", `plain-${n}`, ...mounts, "busybox", "sleep", "1000"],
    ["run", "-d", "--name", `web-${n}`, "-p", `${PORTS + n}:80`, "-p", "53/udp", "busybox", "sleep", "1000"],
    ["run", "-d", "--rm", "--name", `short-${n}`, ...mounts, "busybox", "sleep", "0.1"],
    ["run", "-d", "--name", `again-${n}`, "--restart", "always", "busybox", "sh", "-c", "sleep 0.3; exit 1"],
    ["create", "--name", `made-${n}`, ...mounts, "busybox", "true"],
    ["exec", some, "sh", "-c", "sleep 0.1; echo done"],
    ["build", "-q", "-t", `built:${n % 2}`, join(daemon.root, "context")],
    ["load", "-q", "-i", join(daemon.root, `archive${n % 3}`)],
    ["rmi", `loaded:${n % 3}`],
    ["image", "prune", "-f"],
    ["volume", "create", `loose${n % 4}`],
    ["volume", "rm", `loose${n % 4}`],
    ["rm", "-f", "-v", some],
    ["stop", "-t", "0", some],
    ["restart", "-t", "0", some],
    ["rename", some, `renamed-${n}`],
  ];
  const argv = pick(dice, commands) ?? [];
  if (argv[0] === "build") {
    const steps = `FROM busybox\nRUN echo ${n % 5} >/one && sleep 0.05\nCOPY file /file\nRUN cat /one /file >/two\n`;
    writeFileSync(join(daemon.root, "context", "Dockerfile"), steps);
  }
  return daemon.berth(...argv);
}

/** Ids of the processes whose command line names the daemon's folders. */
function processes(what: RegExp): string[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
        return line.includes(daemon.root) && what.test(line) ? [`${pid} ${line}`] : [];
      } catch {
        return []; // It has ended meanwhile.
      }
    });
}

/** Starts the daemon and kills it before it is ready, `ms` after its process was seen. */
async function killWhileStarting(ms: number): Promise<void> {
  const starting = daemon.up().then(
    () => "up",
    () => "died",
  );
  const mine = (): string[] => processes(/berth daemon /).filter((p) => !p.includes("nsenter"));
  while (mine().length === 0) await Bun.sleep(1);
  await Bun.sleep(ms);
  for (const line of mine()) process.kill(Number(line.split(" ")[0]), "SIGKILL");
  await starting;
  while (mine().length > 0) await Bun.sleep(1);
}

const names = (...path: string[]): string[] => {
  const folder = join(daemon.root, ...path);
  return existsSync(folder) ? readdirSync(folder) : [];
};
const without = (all: readonly string[], known: readonly string[]): string[] => all.filter((x) => !known.includes(x));
const same = (what: string, got: readonly string[], want: readonly string[]): string[] => [
  ...without(got, want).map((x) => `${what} ${x}: nobody owns it`),
  ...without(want, got).map((x) => `${what} ${x}: is missing`),
];

/** Everything on this machine that should not be, or is not and should be. */
async function problems(): Promise<string[]> {
  const all = await listed();
  const ids = all.map((c) => c.Id);
  const running = all.filter((c) => c.State === "running");
  const live = running.map((c) => c.Id);
  const left = await daemon.leftovers();
  const cgroups = left.cgroups
    .map((path) => path.split("/").at(-1) ?? "")
    .filter((name) => /^[0-9a-f]{64}$/.test(name));
  const mounts = left.mounts.map((line) => line.split(" ")[1] ?? "");
  const slots = names("run", "netns");
  const helpers = processes(/berth-helper-\w+ monitor /).map(
    (line) => /containers\/([0-9a-f]{64})/.exec(line)?.[1] ?? line,
  );
  const { Volumes: volumes } = await api<{ Volumes: { Name: string }[] }>("/volumes");
  return [
    ...same("container folder", names("data", "containers"), ids),
    ...same("state folder", names("run", "containers"), live),
    ...same("runtime state", names("run", "runtime", "crun"), live),
    ...same("monitor", helpers, live),
    ...same("cgroup", [...new Set(cgroups)], live),
    ...same(
      "mount",
      mounts,
      slots.map((slot) => join(daemon.root, "run", "netns", slot)),
    ),
    ...same(
      "link",
      left.links.flatMap((l) => /: bth([0-9a-f]{8})@/.exec(l)?.[1] ?? []),
      slots,
    ),
    ...(slots.length > live.length + POOL ? [`${slots.length} namespaces for ${live.length} containers`] : []),
    ...same(
      "volume",
      without(names("data", "volumes"), [".removing"]),
      volumes.map((v) => v.Name),
    ),
    ...names("data", "volumes", ".removing").map((name) => `half-removed volume ${name}`),
    ...names("data", "tmp").map((name) => `data/tmp/${name}`),
    ...names("data", "content", "tmp").map((name) => `data/content/tmp/${name}`),
    ...names("data", "layers", "tmp").map((name) => `data/layers/tmp/${name}`),
    ...same("published port", await published(), wanted(running)),
    ...processes(/ worker | exec /).map((line) => `process ${line}`),
  ];
}

/** Without /etc/protocols, as on a small system, nft prints numbers. */
const PROTOCOLS: Record<string, string> = { "6": "tcp", "17": "udp" };

/** `tcp 8080` for each element of the maps that publish ports. */
async function published(): Promise<string[]> {
  const { stdout } = await run(daemon.inNet("nft", "-j", "list", "map", "ip", `berth-${daemon.name}`, "any"));
  const { nftables } = JSON.parse(stdout) as {
    nftables: { map?: { elem?: [{ concat: [string, number] }, unknown][] } }[];
  };
  return nftables
    .flatMap((o) =>
      (o.map?.elem ?? []).map(
        ([
          {
            concat: [protocol, port],
          },
        ]) => `${PROTOCOLS[protocol] ?? protocol} ${port}`,
      ),
    )
    .sort();
}

function wanted(running: readonly Listed[]): string[] {
  const ports = running.flatMap((c) => c.Ports.flatMap((p) => (p.PublicPort ? [`${p.Type} ${p.PublicPort}`] : [])));
  return [...new Set(ports)].sort();
}

/** Waits for what goes on in the background; what does not go away is printed. */
async function settled(): Promise<void> {
  const begun = performance.now();
  for (;;) {
    const found = await problems();
    if (found.length === 0) return;
    if (performance.now() - begun > PATIENCE_MS) expect(found).toEqual([]);
    await Bun.sleep(25);
  }
}

/** What a start finds is sound, and each image that has a name runs. */
async function everythingWorks(): Promise<void> {
  for (const { Id, State, Command } of await listed()) {
    const shown = await fetch(`http://d/containers/${Id}/json`, { unix: daemon.socket });
    if (shown.status === 404) continue; // AutoRemove has just taken it.
    expect(shown.status).toBe(200);
    const { State: now } = (await shown.json()) as { State: { Status: string; Pid: number } };
    expect(["created", "running", "exited", "restarting"]).toContain(now.Status);
    if (State !== "running" || now.Status !== "running") continue;
    const { code, stdout } = await daemon.berth("exec", Id, "echo", "alive");
    // Others end by themselves, maybe in this very moment: then the exec fails, but never with code 0.
    if (Command === "sleep 1000" || code === 0) expect({ code, stdout }).toEqual({ code: 0, stdout: "alive\n" });
  }
  const built = (await api<{ RepoTags: string[] }[]>("/images/json")).flatMap((i) => i.RepoTags);
  expect(built).toContain("busybox:latest");
  for (const tag of built.filter((t) => t.startsWith("built:"))) {
    expect(await daemon.ok("run", "--rm", tag, "cat", "/two")).toMatch(/^\d\ncontent$/);
  }
  expect(await daemon.ok("run", "--rm", "-v", "kept0:/data", "busybox", "echo", "fine")).toBe("fine");
}

/** The records as the kill left them, read from a copy: the daemon's own open mends what it can. */
function checkRecords(): void {
  const copy = join(daemon.root, "copy");
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy);
  for (const name of ["berth.db", "berth.db-wal"]) {
    const from = join(daemon.root, "data", name);
    if (existsSync(from)) cpSync(from, join(copy, name));
  }
  const db = new Database(join(copy, "berth.db"));
  try {
    expect(db.query("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
  } finally {
    db.close();
  }
}

test(`${ROUNDS} kills at random moments leave nothing without an owner`, async () => {
  const dice: Dice = { random: randomFrom(SEED), next: 0 };
  console.log(`seed ${SEED}`);
  for (let round = 0; round < ROUNDS; round++) {
    const known = await listed();
    const work = Array.from({ length: OPERATIONS }, () => operation(dice, known));
    await Bun.sleep(dice.random() * LONGEST_MS);
    await daemon.crash();
    await Promise.all(work);
    checkRecords();
    if (dice.random() < 0.3) await killWhileStarting(dice.random() * 120);
    await daemon.up();
    await settled();
    await everythingWorks();
    if (known.length > 12) await daemon.ok("rm", "-f", "-v", ...known.slice(0, 6).map((c) => c.Id));
  }
  const all = await daemon.ok("ps", "-aq");
  if (all) await daemon.ok("rm", "-f", "-v", ...all.split("\n"));
  await settled();
  await daemon.ok("image", "prune", "-af");
  await daemon.ok("builder", "prune", "-af");
  expect(names("data", "layers").sort()).toEqual(["empty", "tmp"]);
  expect(names("data", "content", "blobs", "sha256")).toEqual([]);
  await daemon.down();
  const after = await daemon.leftovers();
  const cgroups = after.cgroups.filter((path) => !path.endsWith(`/${daemon.name}`));
  expect({ ...after, cgroups }).toEqual({
    mounts: [],
    cgroups: [],
    namespaces: [],
    links: [],
    tables: [],
    processes: [],
  });
}, 300_000);
