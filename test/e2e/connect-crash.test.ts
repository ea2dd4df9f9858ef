import { afterAll, beforeAll, expect, test } from "bun:test";
import type { ContainerRecord } from "../../src/engine/record.ts";
import { openRecords } from "../../src/store/records.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// A connect is its record, then the interface; a disconnect the other way round. What a kill between leaves, start-up mends.

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  for (const name of ["one", "two"]) await daemon.ok("network", "create", name);
});
afterAll(() => daemon[Symbol.asyncDispose]());

const networks = (name: string): Promise<string> =>
  daemon.ok("inspect", "-f", "{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{$v.IPAddress}} {{end}}", name);

/** The record as a kill before the interface leaves it. */
function recordConnect(id: string, network: string): void {
  const records = openRecords(`${daemon.root}/data/berth.db`);
  try {
    const table = records.table<ContainerRecord>("containers");
    const record = table.get(id);
    if (!record) throw new Error(`no record of ${id}`);
    table.put(id, { ...record, networks: { ...(record.networks ?? { one: {} }), [network]: { Aliases: ["late"] } } });
  } finally {
    records.close();
  }
}

test("a container whose connect was cut off is on that network with the next daemon, under its names", async () => {
  const id = await daemon.ok("run", "-d", "--name", "mended", "--network", "one", "busybox", "sleep", "1000");
  await daemon.ok("run", "-d", "--name", "asking", "--network", "two", "busybox", "sleep", "1000");
  await daemon.crash();
  recordConnect(id, "two");
  await daemon.up();
  expect(await networks("mended")).toMatch(/^one [\d.]+ two [\d.]+$/);
  const [, , , address = ""] = (await networks("mended")).split(" ");
  expect(await daemon.ok("exec", "mended", "ip", "-4", "-o", "addr", "show", "eth1")).toContain(` ${address}/`);
  expect(await daemon.ok("exec", "asking", "nslookup", "-type=a", "late")).toContain(`Address: ${address}`);
  await daemon.ok("restart", "-t", "0", "mended");
  expect(await networks("mended")).toMatch(/^one [\d.]+ two [\d.]+$/);
  await daemon.ok("rm", "-f", "mended", "asking");
});

test("a network that is gone by then is told to the log, and the container runs on", async () => {
  const id = await daemon.ok("run", "-d", "--name", "kept", "--network", "one", "busybox", "sleep", "1000");
  await daemon.crash();
  recordConnect(id, "gone");
  await daemon.up();
  expect(await daemon.ok("exec", "kept", "echo", "alive")).toBe("alive");
  expect(daemon.log).toContain(`container ${id}: cannot connect it to network gone: network gone not found`);
  await daemon.ok("rm", "-f", "kept");
});

test("a connect that fails leaves the record as it was", async () => {
  await daemon.ok("run", "-d", "--name", "plain", "busybox", "sleep", "1000");
  const before = await networks("plain");
  const again = await daemon.docker("network", "connect", "bridge", "plain");
  expect([again.code, again.stderr]).toEqual([
    1,
    expect.stringContaining("endpoint with name plain already exists in network bridge"),
  ]);
  expect(await networks("plain")).toBe(before);
  await daemon.ok("restart", "-t", "0", "plain");
  expect(await networks("plain")).toMatch(/^bridge [\d.]+$/);
  await daemon.ok("rm", "-f", "plain");
});
