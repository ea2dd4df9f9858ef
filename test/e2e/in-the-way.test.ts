import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { run, runOk } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// What cannot be had because something else has it: one line that names that very thing, soon, and afterwards all is as it was before.
setDefaultTimeout(300_000);

const SOON_MS = 10_000;
const CLIS = ["docker", "berth"] as const;
const OVERLAPS = "invalid pool request: Pool overlaps with other one on this address space: ";
const USED = "failed to set up container networking: Address already in use: ";
const ROOT = "invalid specification: destination can't be '/'";

let daemon: TestDaemon;
let id = "";
beforeAll(async () => {
  daemon = await TestDaemon.start();
  for (const line of [
    "link add uplink type veth peer name router",
    "link set router up",
    "address add 192.0.2.7/24 dev uplink",
    "address add 2001:db8:5::7/64 dev uplink nodad",
    "link set uplink up",
    "route add 10.200.0.0/16 via 192.0.2.1",
  ])
    await runOk(daemon.inNet("ip", ...line.split(" ")));
  await daemon.ok("network", "create", "--subnet", "10.91.0.0/16", "--aux-address", "printer=10.91.0.77", "office");
  await daemon.ok("network", "create", "--ipv6", "--ipv4=false", "--subnet", "fd91::/64", "six");
  const own = ["run", "-d", "--name", "owner", "--network", "office", "--ip", "10.91.0.9", "-v", "accounts:/data"];
  id = await daemon.ok(...own, "busybox", "sleep", "10000");
  await daemon.ok("network", "connect", "--ip6", "fd91::9", "six", "owner");
  await daemon.ok("create", "--name", "reader", "-v", "accounts:/data:ro", "busybox", "true");
  await daemon.ok("run", "-d", "--name", "other", "busybox", "sleep", "10000");
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** All that a refused command could have left: what lists show, the kernel's links, addresses, routes and rules, and folders of the store. */
async function state(): Promise<Record<string, string[]>> {
  const sorted = (text: string): string[] => text.split("\n").sort();
  const kernel = async (...argv: string[]): Promise<string[]> =>
    sorted((await run(daemon.inNet(...argv))).stdout).filter((line) => !/\bbth[0-9a-f]{8}\b|^fe80::/.test(line));
  const folders = (name: string): string[] => readdirSync(join(daemon.root, "data", name)).sort();
  return {
    networks: sorted(await daemon.ok("network", "ls", "--no-trunc")),
    volumes: sorted(await daemon.ok("volume", "ls")),
    containers: sorted(await daemon.ok("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}")),
    owner: [await daemon.ok("inspect", "-f", "{{json .NetworkSettings}} {{json .Mounts}}", "owner", "other")],
    links: await kernel("ip", "-o", "link"),
    addresses: await kernel("ip", "-o", "address", "show", "scope", "global"),
    routes: [...(await kernel("ip", "-4", "route")), ...(await kernel("ip", "-6", "route"))],
    rules: await kernel("nft", "list", "ruleset"),
    folders: [...folders("containers"), ...folders("volumes")],
  };
}

async function refused(cli: (typeof CLIS)[number], args: string[], words: string): Promise<void> {
  const before = await state();
  const begun = performance.now();
  const { code, stderr } = await daemon[cli](...args);
  expect(performance.now() - begun).toBeLessThan(SOON_MS);
  expect(code).not.toBe(0);
  // `run` adds where its help is, as docker does.
  const [said = "", ...more] = stderr
    .replace(/\nRun '\w+ run --help' for more information\n$/, "")
    .trimEnd()
    .split("\n");
  expect(more).toEqual([]);
  expect(said).toEndWith(words);
  expect(await state()).toEqual(before);
}

const create = (subnet: string): string[] => ["network", "create", "--subnet", subnet, "new"];
const on = (network: string, ...flags: string[]): string[] => [
  "run",
  "--rm",
  "--network",
  network,
  ...flags,
  "busybox",
];
const mounting = (...flags: string[]): string[] => ["run", "--rm", ...flags, "busybox", "true"];

describe("by docker", () => {
  const cli = "docker";
  test.each([
    ["inside of another network", create("10.91.3.0/24"), "network office has 10.91.0.0/16"],
    ["around it", create("10.0.0.0/8"), "network office has 10.91.0.0/16"],
    ["of IPv6", ["network", "create", "--ipv6", "--subnet", "fd91::/80", "new"], "network six has fd91::/64"],
    ["that the host is in", create("192.0.2.0/25"), "the host's interface uplink has 192.0.2.0/24"],
    [
      "of IPv6 that the host is in",
      ["network", "create", "--ipv6", "--subnet", "2001:db8:5::/80", "new"],
      "the host's interface uplink has 2001:db8:5::/64",
    ],
    ["that hides a route", create("10.200.0.0/16"), "the host has a route to 10.200.0.0/16 by 192.0.2.1"],
  ])("a subnet %s", (_, args, what) => refused(cli, args, OVERLAPS + what));

  test.each([
    ["another container's", on("office", "--ip", "10.91.0.9"), "container owner has 10.91.0.9 on office"],
    ["another container's, of IPv6", on("six", "--ip6", "fd91::9"), "container owner has fd91::9 on six"],
    ["the gateway's", on("office", "--ip", "10.91.0.1"), "10.91.0.1 is the gateway of network office"],
    ["set aside", on("office", "--ip", "10.91.0.77"), "10.91.0.77 is an auxiliary address of network office"],
  ])("an address that is %s", (_, args, what) => refused(cli, args, USED + what));

  test("an address in use, for a container that runs", () =>
    refused(
      cli,
      ["network", "connect", "--ip", "10.91.0.9", "office", "other"],
      "Address already in use: container owner has 10.91.0.9 on office",
    ));

  test.each([[["rm"]], [["rm", "-f"]]])("a volume in use: volume %j", async (verb) => {
    const reader = await daemon.ok("inspect", "-f", "{{.Id}}", "reader");
    const ids = [id, reader].sort().join(", ");
    const { stderr } = await daemon[cli]("volume", ...verb, "accounts");
    expect(stderr.replace(/\[(.*?)\]/, (_, list: string) => `[${list.split(", ").sort().join(", ")}]`)).toContain(ids);
    await refused(cli, ["volume", ...verb, "accounts"], stderr.trimEnd());
    for (const name of ["owner", "reader"]) expect(stderr).toMatch(new RegExp(`\\(used by .*\\b${name}\\b`));
  });

  test("a network's bridge that is another's, and one that is no bridge", async () => {
    const link = (name: string): string[] => [
      "network",
      "create",
      "-o",
      `com.docker.network.bridge.name=${name}`,
      "new",
    ];
    await refused(cli, link("uplink"), "(uplink): the device is not a bridge");
    await refused(cli, link(daemon.name), `(${daemon.name}): networks have same bridge name`);
  });
});

describe.each(CLIS)("by %s", (cli) => {
  test.each([
    ["-v", mounting("-v", "/tmp:/"), `'/tmp:/': invalid mount config for type "bind": ${ROOT}`],
    ["-v of a volume", mounting("-v", "new:/."), `'new:/.': invalid mount config for type "volume": ${ROOT}`],
    ["--mount", mounting("--mount", "type=bind,source=/tmp,target=/"), `invalid mount config for type "bind": ${ROOT}`],
    ["--tmpfs", mounting("--tmpfs", "/"), ROOT],
  ])("a mount onto / by %s", (_, args, what) => refused(cli, args, what));
});

test("what was refused is to be had when that which was in the way is gone", async () => {
  await daemon.ok("rm", "-f", "owner", "reader");
  await daemon.ok("volume", "rm", "accounts");
  await daemon.ok("run", "--rm", "--network", "office", "--ip", "10.91.0.9", "busybox", "true");
  await daemon.ok("network", "rm", "office");
  await runOk(daemon.inNet("ip", "address", "del", "192.0.2.7/24", "dev", "uplink"));
  for (const subnet of ["10.91.3.0/24", "192.0.2.0/25", "10.200.0.0/16"]) {
    await daemon.ok(...create(subnet));
    await daemon.ok("network", "rm", "new");
  }
});
