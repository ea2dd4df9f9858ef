import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runOk } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";
import { BUILD_CASES } from "./build-cases.ts";
import { IMAGE_CASES } from "./image-cases.ts";

// `docker build` against a dockerd, as it was recorded: the docker command line against Berth says the same, and so does Berth's own.
// To record: BERTH_RECORD_BUILD=unix:///path/docker.sock. Images `images-*` are made there.

const BERTH = join(import.meta.dir, "../../dist/berth");
const GOLDEN = join(import.meta.dir, "testdata/build");
const record = process.env["BERTH_RECORD_BUILD"];
const CASES = { ...BUILD_CASES, ...IMAGE_CASES };
const names = Object.keys(CASES);
const ENV = {
  PATH: process.env["PATH"] ?? "",
  HOME: "/nonexistent",
  DOCKER_CONFIG: "/nonexistent",
  DOCKER_BUILDKIT: "0",
};

/** Every case by one command line, some at a time. Returns each one's output without ids. */
async function runAll(argv: string[], host: string): Promise<Map<string, string>> {
  const root = mkdtempSync("/var/tmp/berth-builds.");
  const call = [...argv, "-H", host].map((word) => `'${word}'`).join(" ");
  try {
    const base = `printf 'FROM busybox\nRUN echo %s >/nonce\n' ${root} | ${call} build -q -t images-base -`;
    await runOk(["sh", "-c", base], { env: ENV });
    const reports = new Map<string, string>();
    for (const name of names) {
      const dir = join(root, name);
      mkdirSync(dir);
      const build = `docker() { echo "$ $*"; command ${call} "$@"; local code=$?; [ $code = 0 ] || echo "exit $code"; }; build() { docker build "$@"; }`;
      const script = `exec 2>&1 </dev/null; ${build}; ${CASES[name]}`;
      reports.set(name, plain(await runOk(["bash", "-c", `{ ${script}\n} || true`], { cwd: dir, env: ENV }), dir));
    }
    return reports;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Output without ids and folders, and without what docker says on each build of the classic kind. */
function plain(text: string, dir: string): string {
  return (
    text
      .replaceAll("\r", "")
      .replaceAll(/DEPRECATED: The legacy builder[\s\S]*?\n\n/g, "")
      .replaceAll(dir, "DIR")
      .replaceAll(/[0-9a-f]{64}/g, "ID64")
      .replaceAll(/\b[0-9a-f]{12}\b/g, "ID")
      .replaceAll("berth", "docker")
      .replaceAll("docker: 'docker", "'docker")
      // Pieces of standard error come as they were written, or several at once.
      .replaceAll("\x1b[0m\x1b[91m", "")
      // A slip of docker's.
      .replaceAll("SRun '", "Run '")
      // An archive that docker leaves without its end, and Berth does not.
      .replaceAll(/ {2}3\.6\d+kB| {3}3\.6\dkB/g, "  4.096kB")
  );
}

let daemon: TestDaemon;
const reports = new Map<string, Map<string, string>>();

beforeAll(async () => {
  if (record) {
    for (const [name, report] of await runAll([DOCKER], record)) writeFileSync(join(GOLDEN, `${name}.txt`), report);
  }
  daemon = await TestDaemon.start();
  for (const [name, argv] of Object.entries({ docker: [DOCKER], berth: [BERTH] }))
    reports.set(name, await runAll(argv, `unix://${daemon.socket}`));
}, 600_000);
afterAll(() => daemon[Symbol.asyncDispose]());

test.each(names)("build %s: as with a dockerd, by docker and by berth", (name) => {
  const golden = readFileSync(join(GOLDEN, `${name}.txt`), "utf8");
  expect(reports.get("docker")?.get(name)).toBe(golden);
  expect(reports.get("berth")?.get(name)).toBe(golden);
});
