import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { helperPath } from "../host/embedded.ts";
import { parseNet } from "../spec/ipnet.ts";
import { openRecords } from "../store/records.ts";
import { NetLab } from "../testing/netlab.ts";
import { AddressPool } from "./addresses.ts";
import { type Published, type PublishTable, Ruleset } from "./nft.ts";
import type { BridgeSpec } from "./nft-table.ts";
import { openNetworkService } from "./service.ts";

const HELPER = helperPath("");

let lab: NetLab;
beforeAll(() => {
  lab = new NetLab();
});
afterAll(() => lab.close());

const published = (proto: "tcp" | "udp", host: string, inside: string): Published => {
  const [hostIp = "", hostPort] = host.split(":");
  const [ip = "", port] = inside.split(":");
  return { proto, hostIp, hostPort: Number(hostPort), ip, port: Number(port) };
};

/** The ruleset as nft lists it in numbers, conntrack zones, which begin at random, by their order of appearance. */
function ruleset(): string {
  const zones = new Map<string, string>();
  const name = (zone: string): string => {
    if (!zones.has(zone)) zones.set(zone, `Z${zones.size + 1}`);
    return zones.get(zone) ?? "";
  };
  const text = lab.sh("nft -nn list ruleset").replace(/\t/g, "  ");
  return text.replace(
    /((?:map|set) \w+) \{([^}]*?)elements = \{([^}]*)\}/g,
    (_, set: string, head: string, body: string) => {
      // The kernel lists them in no order.
      const items = body.split(",").map((e) => e.trim());
      const shown = set.startsWith("map zone") ? items.map((e) => e.replace(/(?<= : ).*/, name)) : items;
      return `${set} {${head}elements = { ${shown.sort().join(", ")} }`;
    },
  );
}

/** Elements of the table's maps, sorted, without zones. */
function elements(): string[] {
  const found: string[] = [];
  for (const map of ["any", "one", "zone_any", "zone_one"]) {
    const body = /elements = \{([^}]*)\}/.exec(lab.sh(`nft -nn list map ip berth-br0 ${map}`))?.[1] ?? "";
    for (const e of body.split(","))
      if (e.trim()) found.push(`${map} ${e.trim().replace(map.startsWith("zone") ? / : .*/ : "", "")}`);
  }
  return found.sort();
}

function golden(name: string, got: string): void {
  const path = join(import.meta.dir, "testdata", name);
  if (!existsSync(path) && process.env["BERTH_WRITE_GOLDEN"]) writeFileSync(path, got);
  expect(got).toBe(readFileSync(path, "utf8"));
}

describe("the table of a bridge", () => {
  let rules: Ruleset;
  beforeEach(async () => {
    rules = new Ruleset("berth-br0");
    await rules.release();
  });
  const open = (more: Partial<BridgeSpec> = {}): PublishTable =>
    rules.table({ bridge: "br0", subnet: "172.30.0.0/24", ...more });
  const A = [published("tcp", "0.0.0.0:8080", "172.30.0.2:80"), published("udp", "0.0.0.0:53", "172.30.0.2:53")];
  const B = [published("tcp", "10.9.0.2:8081", "172.30.0.3:80"), published("udp", "10.9.0.2:54", "172.30.0.3:53")];

  test("empty, and with each kind of port, it is these rules", async () => {
    const table = open();
    await table.load([]);
    golden("rules-empty.txt", ruleset());
    await table.publish("a", A);
    await table.publish("b", B);
    golden("rules-published.txt", ruleset());
    await table.drop();
    expect(lab.sh("nft list ruleset")).toBe("");
  });

  test("with ports of both families, which go as they came", async () => {
    const table = open({ subnet6: "fd00:30::/64" });
    await table.load([]);
    const empty = ruleset();
    const six = (proto: "tcp" | "udp", hostIp: string, hostPort: number): Published => ({
      ...{ proto, hostIp, hostPort, ip: "fd00:30::2", port: 80 },
    });
    await table.publish("a", [...A, six("tcp", "::", 8080), six("udp", "::", 53), six("udp", "2001:db8::1", 54)]);
    golden("rules-published-dual-stack.txt", ruleset());
    await table.unpublish("a");
    expect(ruleset()).toBe(empty);
    await table.drop();
    expect(lab.sh("nft list ruleset")).toBe("");
  });

  test.each([
    ["internal", { internal: true }],
    ["no-icc", { icc: false }],
    ["no-masquerade", { masquerade: false }],
    ["dual-stack", { subnet6: "fd00:30::/64" }],
    ["internal-dual-stack", { subnet6: "fd00:30::/64", internal: true }],
  ])("of a network that is %s it is these rules, and goes without a trace", async (name, more) => {
    const table = open(more);
    await table.load([["a", A]]);
    golden(`rules-${name}.txt`, ruleset());
    await table.drop();
    expect(lab.sh("nft list ruleset")).toBe("");
  });

  test("without IPv4 nothing is translated, and what crosses the bridge is dropped all the same", async () => {
    const table = rules.table({ bridge: "br0", subnet6: "fd00:30::/64" });
    await table.load([]);
    golden("rules-only-ipv6.txt", ruleset());
    await table.drop();
    expect(lab.sh("nft list ruleset")).toBe("");
  });

  test("what is taken away leaves the rules as they were before it came, in any order", async () => {
    const table = open();
    await table.load([]);
    const empty = ruleset();
    await table.publish("a", A);
    const one = elements();
    expect(one).toEqual(["any 6 . 8080 : 172.30.0.2 . 80", "any 17 . 53 : 172.30.0.2 . 53", "zone_any 53"].sort());
    await table.publish("b", B);
    expect(elements()).toEqual(
      [
        ...one,
        "one 17 . 10.9.0.2 . 54 : 172.30.0.3 . 53",
        "one 6 . 10.9.0.2 . 8081 : 172.30.0.3 . 80",
        "zone_one 10.9.0.2 . 54",
      ].sort(),
    );
    await table.unpublish("b");
    expect(elements()).toEqual(one);
    await table.publish("b", B);
    await table.unpublish("a");
    await table.unpublish("b");
    await table.unpublish("b");
    expect(ruleset()).toBe(empty);
    await table.drop();
  });

  test.each(["flush ruleset", "flush map ip berth-br0 any", "delete table ip berth-br0"])(
    "after `nft %s` closing a port that is lost already writes the table anew",
    async (command) => {
      const table = open();
      await table.load([]);
      await table.publish("a", A);
      await table.publish("b", B);
      lab.sh(`nft '${command}'`);
      await table.unpublish("a");
      golden("rules-after-mending.txt", ruleset());
      await table.drop();
    },
  );

  test("a burst of changes ends in what its sum is", async () => {
    const table = open();
    await table.load([]);
    const ports = (i: number): Published[] => [
      published(i % 2 ? "tcp" : "udp", `0.0.0.0:${9000 + i}`, `172.30.0.${2 + i}:80`),
    ];
    const all = Array.from({ length: 40 }, (_, i) => i);
    await Promise.all(all.map((i) => table.publish(`c${i}`, ports(i))));
    expect(elements().filter((e) => e.startsWith("any "))).toHaveLength(40);
    await Promise.all(
      all.map((i) => (i % 4 === 0 ? table.publish(`d${i}`, ports(i + 100)) : table.unpublish(`c${i}`))),
    );
    const left = elements()
      .filter((e) => e.startsWith("any "))
      .map((e) => Number(/ . (\d+) :/.exec(e)?.[1]));
    expect(left.sort((a, b) => a - b)).toEqual(
      [...all.filter((i) => i % 4 === 0).flatMap((i) => [9000 + i, 9100 + i])].sort((a, b) => a - b),
    );
    await table.drop();
  });

  test("a second bridge is some elements more, and its end leaves what was there before it came", async () => {
    const [one, two] = [open(), open({ bridge: "br1", subnet: "172.31.0.0/24", subnet6: "fd00:31::/64" })];
    await one.load([["a", A]]);
    const alone = ruleset();
    await two.load([["b", [published("tcp", "0.0.0.0:9999", "172.31.0.2:80")]]]);
    expect(lab.traces().tables).toEqual(["table ip berth-br0", "table ip6 berth-br0"]);
    golden("rules-two-bridges.txt", ruleset());
    await two.drop();
    await two.drop();
    expect(ruleset()).toBe(alone);
    await one.drop();
    expect(lab.sh("nft list ruleset")).toBe("");
  });

  test("a thousand bridges have no more rules than one, and come and go in any order", async () => {
    const bridge = (i: number): PublishTable =>
      open({ bridge: `br${i}`, subnet: `10.${i >> 8}.${i & 255}.0/24`, internal: i % 3 === 0, icc: i % 5 !== 0 });
    const count = (): number => lab.sh("nft list ruleset").match(/\b(drop|accept|masquerade|dnat)\b/g)?.length ?? 0;
    await bridge(1).load([]);
    const alone = ruleset();
    const few = count();
    const others = Array.from({ length: 999 }, (_, i) => bridge(i + 2));
    await Promise.all(others.map((table) => table.load([])));
    const verdicts = 999; // Elements of `within`.
    expect(count() - few).toBeLessThanOrEqual(verdicts);
    await Promise.all(others.reverse().map((table) => table.drop()));
    expect(ruleset()).toBe(alone);
    await bridge(1).drop();
  });

  test("what an earlier daemon left stays in force until all is known, and then is replaced at once", async () => {
    const one = open();
    await one.load([["a", A]]);
    const next = new Ruleset("berth-br0");
    const table = next.table({ bridge: "br0", subnet: "172.30.0.0/24" });
    await table.load([]);
    await table.load([["a", A]]);
    await table.publish("b", B);
    expect(elements()).toHaveLength(3);
    await next.release();
    expect(elements()).toHaveLength(6);
    await table.drop();
    expect(lab.sh("nft list ruleset")).toBe("");
  });

  test("rules that somebody flushed are written anew when asked", async () => {
    await open().load([["a", A]]);
    const whole = ruleset();
    lab.sh("nft flush ruleset");
    await rules.mend();
    expect(ruleset()).toBe(whole);
    await open().drop();
  });
});

describe("a subnet that is nearly full", () => {
  test("addresses go round: one that was given back comes last, the gateway never, and full is said", () => {
    const net = parseNet("10.1.2.0/29")?.net ?? { family: 4, base: 0n, prefix: 32 };
    const pool = new AddressPool({ net, network: "bridge", taken: ["10.1.2.3"] });
    const take = (): string => pool.take();
    expect([take(), take(), take(), take(), take()]).toEqual([
      "10.1.2.1",
      "10.1.2.2",
      "10.1.2.4",
      "10.1.2.5",
      "10.1.2.6",
    ]);
    expect(() => pool.take()).toThrow("no available IPv4 addresses on this network's address pools: bridge");
    pool.release("10.1.2.3");
    expect(() => pool.take()).toThrow("no available IPv4 addresses");
    pool.release("10.1.2.4");
    pool.release("10.1.2.2");
    expect([take(), take()]).toEqual(["10.1.2.2", "10.1.2.4"]);
    pool.release("10.1.2.5");
    pool.reserve("10.1.2.5");
    pool.reserve("10.1.2.100");
    expect(() => pool.take()).toThrow("no available IPv4 addresses");
  });

  test("what it says of its usage: all that nobody can have, and what `take` can still choose", () => {
    const parse = (text: string) => parseNet(text)?.net ?? { family: 4 as const, base: 0n, prefix: 32 };
    const taken = ["10.1.2.1", "10.1.2.200"];
    const pool = new AddressPool({ net: parse("10.1.2.0/24"), range: parse("10.1.2.128/25"), network: "n", taken });
    expect(pool.usage()).toEqual({ inUse: 4, available: 126 });
    pool.claim("10.1.2.7");
    const one = pool.take();
    expect(pool.usage()).toEqual({ inUse: 6, available: 125 });
    pool.release(one);
    pool.release("10.1.2.7");
    expect(pool.usage()).toEqual({ inUse: 4, available: 126 });
    const six = new AddressPool({ net: parse("fd00::/64"), network: "n", taken: ["fd00::1"] });
    expect(six.usage().inUse).toBe(2);
    expect(six.usage().available).toBeGreaterThan(2 ** 31);
  });

  test.each([
    ["172.30.9.1/30", 1],
    ["172.30.9.1/29", 5],
  ])("on %s %d containers fit; the next is refused and leaves nothing; one that goes makes room", async (bip, room) => {
    const root = mkdtempSync(join(lab.dir, "exec-"));
    const records = openRecords(join(root, "berth.db"));
    const service = openNetworkService({
      helper: HELPER,
      records,
      execRoot: root,
      bridge: "tiny0",
      bip,
      poolSize: 0,
      log: () => undefined,
    });
    await service.start(new Set());
    const attach = (id: string) =>
      service.attach({ containerId: id, name: `n-${id}`, hostname: id, mode: "bridge", ports: {} });
    const made = await Promise.all(Array.from({ length: room }, (_, i) => attach(`c${i}`)));
    expect(new Set(made.map((m) => m.ip)).size).toBe(room);
    for (const { ip } of made) expect(ip).not.toBe("172.30.9.1");
    const before = readdirSync(join(root, "netns")).sort();
    for (const id of ["x", "y"]) {
      await expect(attach(id)).rejects.toThrow("no available IPv4 addresses on this network's address pools: bridge");
      expect(service.get(id)).toBeUndefined();
    }
    await service.idle();
    expect(readdirSync(join(root, "netns")).sort()).toEqual(before);
    await service.detach("c0");
    await service.idle();
    expect((await attach("z")).ip).toBe(made[0]?.ip ?? "");
    for (const id of ["z", ...made.map((m) => m.containerId)]) await service.detach(id);
    await service.stop();
    records.close();
    expect(lab.traces().links).toEqual(["lo", "eth0"]);
    expect(lab.traces().tables).toEqual([]);
  });
});
