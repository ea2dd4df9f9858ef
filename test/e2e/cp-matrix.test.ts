import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runOk } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";
import { CONTAINER_TREE, CP_CASES, LOCAL_TREE } from "./cp-cases.ts";

// `docker cp` against a dockerd, as it was recorded: the docker command line against Berth does the same, and so does Berth's own.
// To record: BERTH_RECORD_CP=unix:///path/docker.sock, BERTH_RECORD_NAME=container's name there.

const BERTH = join(import.meta.dir, "../../dist/berth");
const GOLDEN = join(import.meta.dir, "testdata/cp");
const record = process.env["BERTH_RECORD_CP"];
const container = process.env["BERTH_RECORD_NAME"] ?? "cp-target";
const cases = Object.entries(CP_CASES);

const LIST =
  'find . | LC_ALL=C sort | while IFS= read -r p; do if [ -L "$p" ]; then echo "  $p -> $(readlink "$p")"; elif [ -d "$p" ]; then echo "  $p/"; ' +
  'else echo "  $p $(cat "$p")"; fi; done';

/** All cases by one command line, each in folders of its own. Returns each one's report. */
async function runAll(argv: string[], host: string): Promise<Map<string, string>> {
  const here = mkdtempSync("/var/tmp/berth-cp.");
  const call = [...argv, "-H", host].map((word) => `'${word}'`).join(" ");
  const inside = (text: string): Promise<string> => runOk([DOCKER, "-H", host, "exec", container, "sh", "-c", text]);
  try {
    const folders = cases.map((_, i) => i).join(" ");
    const make = (tree: string): string => `for n in ${folders}; do mkdir -p $n && (cd $n && ${tree}) || exit; done`;
    await inside(`rm -rf /c; mkdir /c; cd /c; ${make(CONTAINER_TREE)}`);
    await runOk(["sh", "-c", make(LOCAL_TREE)], { cwd: here });
    const done = await Promise.all(
      cases.map(async ([, text], i) => {
        const script = `cp() { ${call} cp "$@" </dev/stdin; }; L='${here}/${i}'; C='${container}:/c/${i}'; N='${container}'; ${text}`;
        const result = await runOk(["bash", "-c", `{ ${script}; } 2>&1; echo "exit $?"`], {
          env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", DOCKER_CONFIG: "/nonexistent" },
        });
        // docker logs its own broken pipes beside the error.
        return result
          .replace(/^time=.*\n/gm, "")
          .replaceAll(`${here}/${i}`, "$L")
          .replaceAll(`${container}:/c/${i}`, "$C")
          .replaceAll(`/c/${i}`, "/c")
          .replaceAll(container, "NAME");
      }),
    );
    const split = (text: string): string[] => text.split("@@\n").slice(1);
    const listAll = `for n in ${folders}; do echo @@; (cd $n && ${LIST}); done`;
    const local = split(await runOk(["sh", "-c", listAll], { cwd: here }));
    const remote = split(await inside(`cd /c; ${listAll}`));
    return new Map(
      cases.map(([name, text], i): [string, string] => {
        const trees = `here:\n${local[i]}container:\n${remote[i]}`
          .replaceAll(`${here}/${i}`, "$L")
          .replaceAll(`/c/${i}`, "/c");
        return [name, `$ ${text}\n${done[i]}${trees}`];
      }),
    );
  } finally {
    rmSync(here, { recursive: true, force: true });
  }
}

let daemon: TestDaemon;
const reports = new Map<string, Map<string, string>>();

beforeAll(async () => {
  if (record) {
    for (const [name, report] of await runAll([DOCKER], record)) writeFileSync(join(GOLDEN, `${name}.txt`), report);
  }
  daemon = await TestDaemon.start();
  await daemon.ok("run", "-d", "--name", container, "busybox", "sleep", "9999");
  for (const [name, argv] of Object.entries({ docker: [DOCKER], berth: [BERTH] }))
    reports.set(name, await runAll(argv, `unix://${daemon.socket}`));
}, 300_000);
afterAll(() => daemon[Symbol.asyncDispose]());

test.each(cases.map(([name]) => name))("cp %s: as with a dockerd, by docker and by berth", (name) => {
  const golden = readFileSync(join(GOLDEN, `${name}.txt`), "utf8");
  expect(reports.get("docker")?.get(name)).toBe(golden);
  expect(reports.get("berth")?.get(name)).toBe(golden);
});
