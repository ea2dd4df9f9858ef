import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunOutcome } from "../../src/host/spawn.ts";
import { run } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";

// `--cache-from` with an image that came from another machine, and `--squash`, which docker's command line sends to experimental daemons only.

let daemon: TestDaemon;
let folder = "";

beforeAll(async () => {
  folder = mkdtempSync("/var/tmp/berth-reuse.");
  daemon = await TestDaemon.start({ flags: ["--experimental"] });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const CLIENTS = { docker: DOCKER, berth: join(import.meta.dir, "../../dist/berth") };
const BOTH = ["docker", "berth"] as const;

function build(by: keyof typeof CLIENTS, to: TestDaemon, ...flags: string[]): Promise<RunOutcome> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder, DOCKER_BUILDKIT: "0" };
  return run([CLIENTS[by], "-H", `unix://${to.socket}`, "build", ...flags, folder], { env });
}

function write(dockerfile: string, file = "1"): void {
  writeFileSync(join(folder, "Dockerfile"), dockerfile);
  writeFileSync(join(folder, "file"), file);
}

test("the steps of an image that was loaded are found by both command lines, and only where it is named", async () => {
  write("FROM busybox\nRUN date +%N >/made\nCOPY file /\nRUN cat /file /made >/both\n");
  await build("berth", daemon, "-t", "app");
  const made = await daemon.ok("run", "--rm", "app", "cat", "/both");
  const archive = join(folder, "app.tar");
  await daemon.ok("save", "-o", archive, "app", "busybox");
  await using other = await TestDaemon.start({ busybox: false });
  await other.ok("load", "-i", archive);
  rmSync(archive);
  const without = await build("berth", other, "-q");
  expect(without.stdout.trim()).not.toBe(await other.ok("inspect", "-f", "{{.Id}}", "app"));
  await other.ok("builder", "prune", "-af");
  for (const by of BOTH) {
    const { stdout } = await build(by, other, "--cache-from", "nosuch,app", "-t", by);
    expect(stdout.match(/ ---> Using cache/g)).toHaveLength(3);
    expect(await other.ok("run", "--rm", by, "cat", "/both")).toBe(made);
    expect(await other.ok("inspect", "-f", "{{.Id}}", by)).toBe(await other.ok("inspect", "-f", "{{.Id}}", "app"));
    await other.ok("rmi", by);
  }
}, 300_000);

test.each(BOTH)("%s: --squash makes one layer of what the build made", async (by) => {
  write(`FROM busybox\nRUN echo ${by} >/kept && echo x >/gone\nRUN rm /gone\nCOPY file /\nENV A=b\n`);
  const { code, stdout, stderr } = await build(by, daemon, "--squash", "-t", `flat-${by}`);
  expect(`${code} ${stderr.split("DEPRECATED")[0]}`).toBe("0 ");
  expect(stdout).toContain(`Successfully tagged flat-${by}:latest`);
  expect(await daemon.ok("inspect", "-f", "{{len .RootFS.Layers}}", `flat-${by}`)).toBe("2");
  expect(await daemon.ok("run", "--rm", `flat-${by}`, "sh", "-c", "cat /kept /file; ls /gone 2>&1; echo $A")).toBe(
    `${by}\n1ls: /gone: No such file or directory\nb`,
  );
  expect(await daemon.ok("history", "--format", "{{.Comment}}", `flat-${by}`)).toMatch(/^merge sha256:\S+ to sha256:/);
});

test("a daemon that is not experimental refuses it in Docker's words", async () => {
  await using plain = await TestDaemon.start({ busybox: false });
  for (const by of BOTH) {
    const { code, stderr } = await build(by, plain, "--squash");
    expect(code).toBe(1);
    expect(stderr).toContain('"--squash" is only supported on a Docker daemon with experimental features enabled');
  }
  const raw = await run(["curl", "-s", "--unix-socket", plain.socket, "-X", "POST", "http://x/v1.47/build?squash=1"]);
  expect(JSON.parse(raw.stdout)).toEqual({ message: "squash is only supported with experimental mode" });
  expect(await plain.ok("version", "--format", "{{.Server.Experimental}}")).toBe("false");
  expect(await daemon.ok("version", "--format", "{{.Server.Experimental}}")).toBe("true");
});
