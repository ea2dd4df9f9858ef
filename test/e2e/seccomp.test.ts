import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TestDaemon } from "../../src/testing/daemon.ts";

const ANNOTATION = "run.oci.seccomp_bpf_data";
/** What a container may do tells which filter it has: the mode, the number of filters, and two calls that the default profile knows. */
const PROBE = "grep ^Seccomp /proc/self/status; unshare -U true 2>&1; echo $?";

/** The bundle of a running container. */
function bundle(daemon: TestDaemon, id: string): { annotations?: Record<string, string> } {
  return JSON.parse(readFileSync(join(daemon.root, "run/containers", id, "config.json"), "utf8"));
}

test("later containers get the filter that the first one's runtime compiled; other profiles their own", async () => {
  await using daemon = await TestDaemon.start();
  const run = (...args: string[]): Promise<string> => daemon.ok("run", "-d", ...args, "busybox", "sleep", "1000");
  const first = await run();
  const compiled = readFileSync(join(daemon.root, "run/runtime/crun", first, "seccomp.bpf")).toString("base64");
  const second = await run();
  expect(bundle(daemon, first).annotations?.[ANNOTATION]).toBeUndefined();
  expect(bundle(daemon, second).annotations?.[ANNOTATION]).toBe(compiled);
  const probes = await Promise.all([first, second].map((id) => daemon.ok("exec", id, "sh", "-c", PROBE)));
  expect(probes[1]).toBe(probes[0] ?? "");
  expect(probes[1]).toMatch(/Seccomp:\s+2[\s\S]*not permitted/);
  expect((await daemon.berth("run", "--rm", "busybox", "sh", "-c", PROBE)).stdout).toContain("not permitted");

  const free = await daemon.ok("run", "--rm", "--security-opt", "seccomp=unconfined", "busybox", "sh", "-c", PROBE);
  expect(free).toMatch(/Seccomp:\s+0/);
  const capable = await run("--cap-add", "SYS_ADMIN");
  expect(bundle(daemon, capable).annotations?.[ANNOTATION]).toBeUndefined();
});
