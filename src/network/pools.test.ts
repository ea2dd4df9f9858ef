import { describe, expect, test } from "bun:test";
import { formatNet, type IpNet, netsOverlap, parseNet } from "../spec/ipnet.ts";
import { SubnetPools } from "./pools.ts";

const net = (text: string): IpNet => parseNet(text)?.net ?? { family: 4, base: 0n, prefix: 0 };

/** The first so many networks, each used from then on. */
function cut(pools: SubnetPools, count: number, family: 4 | 6 = 4, used: IpNet[] = []): string[] {
  return Array.from({ length: count }, () => {
    used.push(pools.choose(family, used));
    return formatNet(used.at(-1) ?? net("0.0.0.0/0"));
  });
}

describe("Docker's pools", () => {
  test("come first and in its order; a thousand networks fit, none over another", () => {
    const used: IpNet[] = [];
    const made = cut(new SubnetPools(), 1000, 4, used);
    expect(made.slice(0, 2)).toEqual(["172.18.0.0/16", "172.19.0.0/16"]);
    expect(made.slice(13, 16)).toEqual(["172.31.0.0/16", "192.168.0.0/20", "192.168.16.0/20"]);
    expect(made[30]).toBe("10.208.0.0/24");
    const sorted = [...used].sort((a, b) => (a.base < b.base ? -1 : 1));
    expect(sorted.filter((one, i) => i > 0 && netsOverlap(one, sorted[i - 1] ?? one))).toEqual([]);
  });

  test("what is used elsewhere is passed over, however wide or narrow it is", () => {
    const used = ["172.18.7.0/24", "172.16.0.0/12", "192.168.0.0/19", "fd00::/8"].map(net);
    expect(cut(new SubnetPools(), 2, 4, used)).toEqual(["192.168.32.0/20", "192.168.48.0/20"]);
  });
});

describe("pools of a person", () => {
  test("as small as /26, and full at their end; what is freed is taken again", () => {
    const pools = new SubnetPools([{ base: "10.5.0.0/24", size: 26 }]);
    const used: IpNet[] = [];
    expect(cut(pools, 4, 4, used)).toEqual(["10.5.0.0/26", "10.5.0.64/26", "10.5.0.128/26", "10.5.0.192/26"]);
    expect(() => pools.choose(4, used)).toThrow("all predefined address pools have been fully subnetted");
    used.splice(1, 1);
    expect(cut(pools, 1, 4, used)).toEqual(["10.5.0.64/26"]);
    expect(() => pools.choose(6, [])).toThrow("fully subnetted");
  });

  test("of IPv6, one after the other", () => {
    const pools = new SubnetPools([{ base: "fd12:3456::/32", size: 64 }]);
    expect([pools.has(6), pools.has(4)]).toEqual([true, false]);
    expect(cut(pools, 2, 6)).toEqual(["fd12:3456::/64", "fd12:3456:0:1::/64"]);
  });

  test.each([
    [[{ base: "10.0.0.0", size: 24 }], "invalid address pool 10.0.0.0: want an address and a prefix length"],
    [[{ base: "x/8", size: 24 }], "invalid address pool x/8"],
    [[{ base: "10.0.0.0/16", size: 8 }], "networks of /8 do not fit in it"],
    [[{ base: "10.0.0.0/16", size: 31 }], "networks of /31 do not fit in it"],
    [[{ base: "10.0.0.0/16", size: 24.5 }], "networks of /24.5 do not fit in it"],
    [
      [
        { base: "10.0.0.0/8", size: 24 },
        { base: "10.9.0.0/16", size: 24 },
      ],
      "address pools 10.0.0.0/8 and 10.9.0.0/16 overlap",
    ],
  ])("%j is refused", (given, words) => {
    expect(() => new SubnetPools(given)).toThrow(words);
  });
});
