import { afterAll, beforeAll, expect, test } from "bun:test";
import { run, runOk } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// Networks whose containers lie on an interface of the host's, with a machine of the outside on the same wire.

let daemon: TestDaemon;
const SLEEP = ["busybox", "sleep", "1000"];

beforeAll(async () => {
  daemon = await TestDaemon.start();
  await wire();
});
afterAll(async () => {
  await run(["ip", "netns", "del", outside()]);
  await daemon[Symbol.asyncDispose]();
});

const outside = (): string => `${daemon.name}o`;

/** `up0` is the host's, at its other end a machine with 10.61.0.1 and 10.62.0.1. */
async function wire(): Promise<void> {
  if ((await run(["ip", "netns", "add", outside()])).code === 0)
    await runOk(["ip", "-n", outside(), "link", "set", "lo", "up"]);
  await runOk(["ip", "-n", daemon.name, "link", "add", "up0", "type", "veth", "peer", "eth0", "netns", outside()]);
  await runOk(["ip", "-n", daemon.name, "link", "set", "up0", "up"]);
  await runOk(["ip", "-n", daemon.name, "address", "add", "10.61.0.200/24", "dev", "up0"]);
  for (const address of ["10.61.0.1/24", "10.62.0.1/24"])
    await runOk(["ip", "-n", outside(), "address", "add", address, "dev", "eth0"]);
  await runOk(["ip", "-n", outside(), "link", "set", "eth0", "up"]);
}

const ping = async (from: string, to: string, seconds = "5"): Promise<boolean> =>
  (await daemon.berth("exec", from, "ping", "-c", "1", "-W", seconds, to)).code === 0;
/** The host's interfaces, without what containers and the pool of namespaces have. */
const links = async (): Promise<string> => {
  const names = (await runOk(daemon.inNet("ip", "-br", "link"))).split("\n").map((line) => line.split(/[@ ]/)[0] ?? "");
  return names.filter((name) => !name.startsWith("bth")).join(" ");
};
const refused = async (...argv: string[]): Promise<string> => {
  const { code, stderr } = await daemon.docker(...argv);
  expect(code).not.toBe(0);
  return stderr.split("\n")[0]?.replace("Error response from daemon: ", "").replace("docker: ", "") ?? "";
};

test("macvlan: containers on the host's own subnet reach each other by name and the outside, but not the host", async () => {
  const before = await links();
  await daemon.ok(
    ...["network", "create", "-d", "macvlan", "-o", "parent=up0", "--subnet", "10.61.0.0/24", "--gateway", "10.61.0.1"],
    ...["--ip-range", "10.61.0.64/26", "--aux-address", "printer=10.61.0.64", "lan"],
  );
  expect(await links()).toBe(before);
  await daemon.ok("run", "-d", "--name", "mv-a", "--network", "lan", "-p", "8080:80", ...SLEEP);
  const mac = "02:11:22:33:44:55";
  await daemon.ok(
    ...["run", "-d", "--name", "mv-b", "--network", "lan", "--ip", "10.61.0.99", "--mac-address", mac, ...SLEEP],
  );
  const format = "{{with .NetworkSettings.Networks.lan}}{{.IPAddress}} {{.Gateway}} {{.MacAddress}}{{end}}";
  expect(await daemon.ok("inspect", "-f", format, "mv-b")).toBe(`10.61.0.99 10.61.0.1 ${mac}`);
  expect(await daemon.ok("exec", "mv-b", "ip", "-o", "link", "show", "eth0")).toContain(mac);
  expect(await daemon.ok("exec", "mv-b", "ip", "route")).toContain("default via 10.61.0.1 dev eth0");
  expect(await ping("mv-a", "mv-b")).toBe(true);
  expect(await ping("mv-b", "mv-a.lan")).toBe(true);
  expect(await ping("mv-a", "10.62.0.1")).toBe(true);
  expect(await ping("mv-a", "10.61.0.200", "1")).toBe(false);
  expect(await daemon.ok("port", "mv-a")).toBe("");
  expect((await daemon.docker("info", "-f", "{{.Plugins.Network}}")).stdout).toContain("ipvlan macvlan");
  const taken = await refused("run", "--rm", "--network", "lan", "--ip", "10.61.0.99", "busybox", "true");
  expect(taken).toContain("Address already in use");
  expect(taken).toContain("mv-b");
});

test("with a bridge besides: ports are published there, and a network comes and goes while it runs", async () => {
  await daemon.ok("network", "create", "front");
  await daemon.ok("run", "-d", "--name", "both", "--network", "front", "-p", "8081:80", ...SLEEP);
  await daemon.ok("network", "connect", "lan", "both");
  expect(await ping("both", "mv-a")).toBe(true);
  expect(await daemon.ok("exec", "both", "ip", "link")).toContain("eth1");
  expect(await daemon.ok("port", "both")).toContain("0.0.0.0:8081");
  await daemon.ok("network", "disconnect", "lan", "both");
  expect(await daemon.ok("exec", "both", "ip", "link")).not.toContain("eth1");
  await daemon.ok("network", "connect", "front", "mv-a");
  expect(await daemon.ok("port", "mv-a")).toContain("0.0.0.0:8080");
  expect(await ping("mv-a", "mv-b")).toBe(true);
  await daemon.ok("network", "disconnect", "front", "mv-a");
  expect(await daemon.ok("port", "mv-a")).toBe("");
  await daemon.ok("rm", "-f", "both");
  await daemon.ok("network", "rm", "front");
});

test("over a daemon's death containers keep address and names, and the next ones get others", async () => {
  await daemon.crash();
  await daemon.up();
  expect(await ping("mv-a", "mv-b")).toBe(true);
  await daemon.ok("run", "-d", "--name", "mv-c", "--network", "lan", ...SLEEP);
  const all = JSON.parse(await daemon.ok("network", "inspect", "-f", "{{json .Containers}}", "lan"));
  const addresses = Object.values(all as Record<string, { IPv4Address: string }>).map((c) => c.IPv4Address);
  expect(new Set(addresses).size).toBe(3);
  expect(await daemon.ok("network", "inspect", "-f", "{{.Driver}} {{json .Options}}", "lan")).toBe(
    'macvlan {"parent":"up0"}',
  );
  await daemon.ok("rm", "-f", "mv-c");
});

test("a parent that is taken away: the start says which and whose, leaves nothing, and works when it is back", async () => {
  await daemon.ok("stop", "-t", "0", "mv-b");
  await runOk(daemon.inNet("ip", "link", "delete", "up0"));
  const before = await links();
  expect(await refused("start", "mv-b")).toContain(
    "the requested parent interface up0 was not found on the Docker host: it is the parent of network lan",
  );
  expect(await links()).toBe(before);
  // A daemon that starts without it has the network all the same.
  await daemon.crash();
  await daemon.up();
  expect(await refused("start", "mv-b")).toContain("up0 was not found");
  await wire();
  await daemon.ok("start", "mv-b");
  expect(await ping("mv-b", "10.62.0.1")).toBe(true);
  await daemon.ok("rm", "-f", "mv-a", "mv-b");
  await daemon.ok("network", "rm", "lan");
  expect(await links()).toContain("up0");
});

test("without a parent, or internal, it has one of its own that leads nowhere and goes with it", async () => {
  const before = await links();
  await daemon.ok("network", "create", "-d", "macvlan", "--internal", "alone");
  expect(await links()).toContain("dm-");
  for (const name of ["in-a", "in-b"]) await daemon.ok("run", "-d", "--name", name, "--network", "alone", ...SLEEP);
  expect(await ping("in-a", "in-b")).toBe(true);
  expect(await daemon.ok("exec", "in-a", "ip", "route")).not.toContain("default");
  // Somebody deletes it: the next start makes it again.
  const id = await daemon.ok("network", "inspect", "-f", "{{.Id}}", "alone");
  await runOk(daemon.inNet("ip", "link", "delete", `dm-${id.slice(0, 12)}`));
  for (const name of ["in-a", "in-b"]) await daemon.ok("restart", "-t", "0", name);
  expect(await ping("in-a", "in-b")).toBe(true);
  await daemon.ok("rm", "-f", "in-a", "in-b");
  await daemon.ok("network", "rm", "alone");
  expect(await links()).toBe(before);
});

test("what cannot be is refused in Docker's words, and leaves nothing", async () => {
  const create = (...flags: string[]): Promise<string> => refused("network", "create", ...flags, "never");
  const before = await links();
  expect(await create("-d", "macvlan", "-o", "parent=up0", "-o", "macvlan_mode=bad")).toBe(
    "requested macvlan mode 'bad' is not valid, 'bridge' mode is the macvlan driver default",
  );
  expect(await create("-d", "macvlan", "-o", "parent=nosuch0")).toBe(
    "invalid subinterface vlan name nosuch0, example formatting is eth0.10",
  );
  expect(await create("-d", "macvlan", "-o", "parent=up0.abc")).toBe(
    "unable to parse a valid vlan id from: abc (ex. eth0.10 for vlan 10)",
  );
  expect(await create("-d", "macvlan", "-o", "parent=lo")).toBe(
    "loopback interface is not a valid macvlan parent link",
  );
  expect(await create("-d", "ipvlan", "-o", "parent=up0", "-o", "ipvlan_mode=l9")).toBe(
    "requested ipvlan mode 'l9' is not valid, 'l2' mode is the ipvlan driver default",
  );
  expect(await create("-d", "ipvlan", "-o", "parent=up0", "-o", "ipvlan_flag=zzz")).toBe(
    "requested ipvlan flag 'zzz' is not valid, 'bridge' is the ipvlan driver default",
  );
  const id = await daemon.ok(
    "network",
    "create",
    "-d",
    "macvlan",
    "-o",
    "parent=up0",
    "--subnet",
    "10.63.0.0/24",
    "one",
  );
  expect(await create("-d", "macvlan", "-o", "parent=up0", "-o", "macvlan_mode=passthru")).toBe(
    `cannot use mode passthru, macvlan network ${id} is already using parent interface up0`,
  );
  expect(await create("-d", "macvlan", "-o", "parent=up0", "--subnet", "10.63.0.0/25")).toContain(
    "invalid pool request: Pool overlaps with other one on this address space",
  );
  await daemon.ok("network", "rm", "one");
  expect(await links()).toBe(before);
  expect(await daemon.ok("network", "ls", "--filter", "type=custom", "-q")).toBe("");
});
