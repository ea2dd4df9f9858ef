import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { run } from "../../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../../src/testing/daemon.ts";
import { monitorOf } from "../../../src/testing/processes.ts";
import { makeServices } from "./images.ts";

// A real postgres with its data in a volume, killed in the middle of transactions in each way that there is: what it has acknowledged is
// there afterwards, what it has not is there whole or not at all, and what was never committed is not. BERTH_KILLS=50 goes round for longer.
setDefaultTimeout(300_000);

const BERTH = join(import.meta.dir, "../../../dist/berth");
const ROUNDS = Number(process.env["BERTH_KILLS"] ?? "1");
const WRITES = 25;
const PASSWORD = ["-e", "POSTGRES_PASSWORD=secret"];
const VOLUME = ["-v", "numbers:/var/lib/postgresql/data"];

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  await makeServices(daemon);
  await daemon.ok("network", "create", "app");
  await database();
  const writer = ["--name", "writer", "--network", "app", ...PASSWORD, "app-web", "python3", "/opt/writer.py"];
  await daemon.ok("run", "-d", ...writer);
});
afterAll(() => daemon[Symbol.asyncDispose]());

const database = (): Promise<string> =>
  daemon.ok("run", "-d", "--name", "db", "--network", "app", ...VOLUME, ...PASSWORD, "app-db");
const pidOf = async (name: string): Promise<number> => Number(await daemon.ok("inspect", "-f", "{{.State.Pid}}", name));

/** What the writer has said so far. Its log is written without the daemon too. */
const said = async (): Promise<string[]> => (await daemon.ok("logs", "writer")).split("\n");
const acknowledged = (lines: string[]): number[] =>
  lines.flatMap((line) => /^ok (\d+)$/.exec(line)?.[1] ?? []).map(Number);

/** Follows the writer's log until it has said `lost` that many times, and after that that a number of writes are done. */
async function written(lost: number): Promise<void> {
  const enough = `awk '/lost/ { lost++; n = 0 } /ok/ { n++ } lost >= ${lost} && n >= ${WRITES} { exit }'`;
  const logs = [BERTH, "-H", `unix://${daemon.socket}`, "logs", "-f", "writer"];
  const { code, stderr } = await run(["timeout", "60", "bash", "-c", `"$0" "$@" | ${enough}`, ...logs]);
  if (code !== 0)
    throw new Error(`the writer does not go on: ${code} ${stderr} ${(await said()).slice(-5)} ${daemon.log}`);
}

/** All numbers that the database has, by its own client, each as often as it is there. */
async function numbers(): Promise<Map<number, number>> {
  const sql = "SELECT n, count(*) FROM numbers GROUP BY n ORDER BY n";
  const rows = (await daemon.ok("exec", "db", "psql", "-U", "postgres", "-Atc", sql)).split("\n");
  return new Map(rows.map((row) => row.split("|").map(Number) as [number, number]));
}

async function ended(): Promise<void> {
  expect(await daemon.ok("wait", "db")).toBe("137");
}

/** The ways to end it. Each leaves it ended, or, where it comes back by itself, running. */
const KILLS: [string, () => Promise<void>][] = [
  [
    "docker kill",
    async () => {
      expect((await daemon.docker("kill", "db")).code).toBe(0);
      await ended();
      await daemon.ok("start", "db");
    },
  ],
  [
    "SIGKILL of its first process, from outside",
    async () => {
      process.kill(await pidOf("db"), "SIGKILL");
      await ended();
      await daemon.ok("start", "db");
    },
  ],
  [
    "SIGKILL of the daemon, and then of monitor and database",
    async () => {
      const pid = await pidOf("db");
      const monitor = await monitorOf(pid);
      await daemon.crash();
      for (const victim of [monitor, pid]) process.kill(victim, "SIGKILL");
      await daemon.up();
      await daemon.ok("start", "db");
    },
  ],
  [
    "SIGKILL of the daemon alone, and then of the database",
    async () => {
      const pid = await pidOf("db");
      await daemon.crash();
      process.kill(pid, "SIGKILL");
      await daemon.up();
      await ended();
      await daemon.ok("start", "db");
    },
  ],
  [
    "removal by force, and a new container with its volume",
    async () => {
      await daemon.ok("rm", "-f", "db");
      await database();
    },
  ],
  [
    "SIGKILL under a restart policy, which brings it back",
    async () => {
      await daemon.ok("update", "--restart", "always", "db");
      process.kill(await pidOf("db"), "SIGKILL");
    },
  ],
];

for (let round = 0; round < ROUNDS; round++) {
  test.each(KILLS.map(([name, kill], i) => [name, kill, round * KILLS.length + i] as const))(
    "%s: nothing is lost",
    async (_, kill, before) => {
      await written(before);
      await kill();
      await written(before + 1);
      await daemon.ok("update", "--restart", "no", "db");
      const known = acknowledged(await said());
      const found = await numbers();
      expect(known.filter((n) => !found.has(n))).toEqual([]);
      expect([...found.keys()].filter((n) => n <= 0)).toEqual([]);
      // Two rows a transaction, or none.
      expect([...found].filter(([, times]) => times !== 2)).toEqual([]);
      // Not acknowledged, and yet there: at most the one that each kill cut off, and what came while we looked.
      const doubtful = [...found.keys()].filter((n) => !known.includes(n) && n < (known.at(-1) ?? 0));
      expect(doubtful.length).toBeLessThanOrEqual(before + 1);
    },
  );
}

test("a dump out of one exec goes into another's input, 10 MB and both tables", async () => {
  await daemon.ok("rm", "-f", "writer");
  await daemon.ok("run", "-d", "--name", "copy", ...PASSWORD, "app-db");
  await daemon.ok("exec", "copy", "sh", "-c", "until pg_isready -q; do usleep 50000; done");
  const psql = (name: string, sql: string): Promise<string> =>
    daemon.ok("exec", name, "psql", "-U", "postgres", "-Atc", sql);
  await psql("db", "CREATE TABLE many AS SELECT g, md5(g::text) AS text FROM generate_series(1, 250000) g");
  const docker = `${DOCKER} -H unix://${daemon.socket} exec`;
  const pipe = `set -o pipefail; ${docker} db pg_dump -U postgres | ${docker} -i copy psql -q -v ON_ERROR_STOP=1 -U postgres`;
  const { code, stderr } = await run(["bash", "-c", pipe]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  for (const [table, order] of [
    ["many", "g"],
    ["numbers", "n"],
  ]) {
    const sum = `SELECT count(*), md5(string_agg(t::text, ',' ORDER BY ${order})) FROM ${table} t`;
    const there = await psql("db", sum);
    expect(there).toMatch(/^[1-9]\d*\|[0-9a-f]{32}$/);
    expect(await psql("copy", sum)).toBe(there);
  }
});

test("its files are whole, by its own checksums", async () => {
  await daemon.ok("stop", "db");
  const check = ["pg_checksums", "--check", "-D", "/var/lib/postgresql/data"];
  expect(await daemon.ok("run", "--rm", ...VOLUME, "app-db", ...check)).toContain("Bad checksums:  0");
});
