import { describe, expect, test } from "bun:test";
import { type IpNet, parseNet } from "../spec/ipnet.ts";
import type { NetworkRecord, OwnNetwork } from "./networks.ts";
import { checkRequest, planNetwork, readOptions, type TakenNet } from "./own.ts";
import type { NetworkRequest } from "./types.ts";

const ID = "0123456789abcdef".repeat(4);

function request(more: Partial<NetworkRequest> = {}): NetworkRequest {
  return {
    name: "own",
    driver: "bridge",
    internal: false,
    attachable: false,
    ingress: false,
    scope: "",
    configOnly: false,
    configFrom: "",
    ipv4: true,
    ipv6: false,
    ipam: { driver: "default", options: {}, config: [] },
    options: {},
    labels: {},
    ...more,
  };
}

const subnets = (...config: NetworkRequest["ipam"]["config"]): Partial<NetworkRequest> => ({
  ipam: { driver: "default", options: {}, config },
});

function net(text: string): IpNet {
  return parseNet(text)?.net ?? { family: 4, base: 0n, prefix: 0 };
}

function plan(more: Partial<NetworkRequest> = {}, context: { known?: NetworkRecord[]; others?: TakenNet[] } = {}) {
  const { others = [] } = context;
  const choose = (family: 4 | 6): IpNet => net(family === 4 ? "172.19.0.0/16" : "fd00:1::/64");
  return planNetwork(request(more), { id: ID, known: context.known ?? [], used: [], others, choose });
}

function recordOf(name: string, own: OwnNetwork): NetworkRecord {
  return { id: "f".repeat(64), name, driver: "bridge", created: "2026-01-01T00:00:00Z", own };
}

describe("a request is refused in Docker's words", () => {
  const known = [recordOf("taken", plan())];
  const CIDR = "invalid network config:\ninvalid";

  test.each([
    [{ name: "" }, "invalid-argument", "invalid name: name is empty"],
    [{ name: "a/b" }, "invalid-argument", 'invalid name: "a/b"'],
    [{ name: "bridge" }, "forbidden", "operation is not permitted on predefined bridge network "],
    [{ name: "none" }, "forbidden", "operation is not permitted on predefined none network "],
    [{ name: "taken" }, "conflict", "network with name taken already exists"],
    [{ driver: "host" }, "forbidden", 'only one instance of "host" network is allowed'],
    [{ driver: "null" }, "forbidden", 'only one instance of "null" network is allowed'],
    [{ driver: "nope" }, "not-found", 'plugin "nope" not found'],
    [{ driver: "overlay" }, "forbidden", "This node is not a swarm manager"],
    [{ scope: "swarm" }, "forbidden", "cannot create a swarm scoped network when swarm is not active"],
    [{ ingress: true }, "forbidden", "Ingress network can only be global scope network"],
    [{ ipv4: false }, "invalid-argument", "IPv4 or IPv6 must be enabled"],
    [{ ipam: { driver: "foo", options: {}, config: [] } }, "not-found", 'plugin "foo" not found'],
    [subnets({ Subnet: "foo" }), "invalid-argument", `${CIDR} subnet foo: invalid CIDR block notation`],
    [subnets({ Gateway: "10.7.0.1" }), "invalid-argument", `${CIDR} subnet : invalid CIDR block notation`],
    [subnets({ Subnet: "10.7.0.5/24" }), "invalid-argument", `${CIDR} subnet 10.7.0.5/24: it should be 10.7.0.0/24`],
    [
      subnets({ Subnet: "10.7.0.0/24", Gateway: "10.8.0.1" }),
      "invalid-argument",
      `${CIDR} gateway 10.8.0.1: parent subnet 10.7.0.0/24 doesn't contain this address`,
    ],
    [subnets({ Subnet: "10.7.0.0/24", Gateway: "x" }), "invalid-argument", `${CIDR} gateway x: invalid address`],
    [
      subnets({ Subnet: "10.7.0.0/24", IPRange: "10.8.0.0/25" }),
      "invalid-argument",
      `${CIDR} ip-range 10.8.0.0/25: parent subnet 10.7.0.0/24 doesn't contain ip-range`,
    ],
    [
      subnets({ Subnet: "10.7.0.0/24", IPRange: "10.7.0.0/16" }),
      "invalid-argument",
      `${CIDR} ip-range 10.7.0.0/16: parent subnet 10.7.0.0/24 doesn't contain ip-range`,
    ],
    [
      subnets({ Subnet: "10.7.0.0/24", AuxiliaryAddresses: { a: "10.8.0.3" } }),
      "invalid-argument",
      `${CIDR} auxiliary address a: parent subnet 10.7.0.0/24 doesn't contain this address`,
    ],
    [
      subnets({ Subnet: "x" }, { Subnet: "y" }),
      "invalid-argument",
      "invalid network config:\n* invalid subnet x: invalid CIDR block notation\n* invalid subnet y: invalid CIDR block notation",
    ],
    [{ configFrom: "nope" }, "not-found", 'configuration network "nope" does not exist'],
    [{ configFrom: "taken" }, "not-found", 'configuration network "taken" does not exist'],
    [
      { configFrom: "taken", configOnly: true },
      "forbidden",
      "a configuration network cannot depend on another configuration network",
    ],
    [
      { configFrom: "taken", options: { a: "b" } },
      "forbidden",
      "network driver options are not supported if the network depends on a configuration network",
    ],
    [
      { configFrom: "taken", labels: { a: "b" } },
      "forbidden",
      "user specified configurations are not supported if the network depends on a configuration network",
    ],
  ] as [Partial<NetworkRequest>, string, string][])("%j", (more, kind, words) => {
    let thrown: unknown;
    try {
      checkRequest(request(more), known);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ kind, message: expect.stringContaining(words) });
  });

  test("a good one passes, whatever its scope's word is", () => {
    expect(() => checkRequest(request({ scope: "foo", name: "-x y" }), known)).not.toThrow();
  });
});

describe("what is made of a request", () => {
  test("nothing said: a chosen subnet, its first address as the gateway, a link named by the id", () => {
    const own = plan();
    expect(own.ipam.config).toEqual([{ Subnet: "172.19.0.0/16", Gateway: "172.19.0.1" }]);
    expect(own).toMatchObject({ chosen: false, link: "br-0123456789ab", lans: own.ipam.config });
  });

  test("a person's subnet is shown as it was given, and has a gateway outside of the auxiliary addresses", () => {
    const own = plan(
      subnets({ Subnet: "10.7.0.0/24", IPRange: "10.7.0.128/25", AuxiliaryAddresses: { a: "10.7.0.128" } }),
    );
    expect(own.ipam.config).toEqual([
      { Subnet: "10.7.0.0/24", IPRange: "10.7.0.128/25", AuxiliaryAddresses: { a: "10.7.0.128" } },
    ]);
    expect(own.lans[0]?.Gateway).toBe("10.7.0.129");
    expect(own.chosen).toBe(true);
  });

  test("both families, one of them chosen; a subnet of a family that is off is shown and not used", () => {
    expect(plan({ ipv6: true }).lans.map((l) => l.Gateway)).toEqual(["172.19.0.1", "fd00:1::1"]);
    expect(plan({ ipv4: false, ipv6: true }).lans.map((l) => l.Subnet)).toEqual(["fd00:1::/64"]);
    const off = plan(subnets({ Subnet: "fd12::/64" }));
    expect(off.ipam.config.map((c) => c.Subnet)).toEqual(["fd12::/64", "172.19.0.0/16"]);
    expect(off.lans.map((l) => l.Subnet)).toEqual(["172.19.0.0/16"]);
  });

  test("two subnets of one family, and one that overlaps another network's, are refused", () => {
    expect(() => plan(subnets({ Subnet: "10.7.0.0/24" }, { Subnet: "10.8.0.0/24" }))).toThrow(
      "bridge driver doesn't support multiple subnets",
    );
    expect(() =>
      plan(subnets({ Subnet: "10.7.3.0/24" }), { others: [{ net: net("10.7.0.0/16"), what: "x has it" }] }),
    ).toThrow("invalid pool request: Pool overlaps with other one on this address space: x has it");
  });

  test("of a subnet behind a router a network may be a part, but not hide it; a bridge that is there has its own", () => {
    const others = [
      { net: net("10.8.0.0/16"), what: "routed", routed: true },
      { net: net("10.9.0.0/24"), what: "bridged", dev: "br9" },
    ];
    const named = { options: { "com.docker.network.bridge.name": "br9" } };
    expect(plan(subnets({ Subnet: "10.8.1.0/24" }), { others }).lans).toHaveLength(1);
    expect(plan({ ...subnets({ Subnet: "10.9.0.0/24" }), ...named }, { others }).link).toBe("br9");
    for (const Subnet of ["10.8.0.0/16", "10.0.0.0/12"])
      expect(() => plan(subnets({ Subnet }), { others })).toThrow("space: routed");
    expect(() => plan(subnets({ Subnet: "10.9.0.0/16" }), { others })).toThrow("space: bridged");
  });

  test("a network that depends on a configuration has its subnets, options and labels", () => {
    const config = { ...subnets({ Subnet: "10.7.0.0/24" }), options: { a: "b" }, labels: { c: "d" } };
    const made = plan({ ...config, configOnly: true });
    expect(made).toMatchObject({ configOnly: true, lans: [], link: "" });
    const own = plan({ configFrom: "cfg" }, { known: [recordOf("cfg", made)] });
    expect(own).toMatchObject({ options: { a: "b" }, labels: { c: "d" }, configFrom: "cfg", configOnly: false });
    expect(own.lans).toEqual([{ Subnet: "10.7.0.0/24", Gateway: "10.7.0.1" }]);
  });
});

describe("options of the bridge", () => {
  test("nothing said, and everything said", () => {
    expect(readOptions({})).toEqual({
      icc: true,
      masquerade: true,
      hostIp: "",
      mtu: 0,
      rates: {},
      link: "",
    });
    const said = {
      "com.docker.network.bridge.name": "mine0",
      "com.docker.network.bridge.enable_icc": "false",
      "com.docker.network.bridge.enable_ip_masquerade": "0",
      "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1",
      "com.docker.network.driver.mtu": "1400",
      "some.other": "x",
    };
    expect(readOptions(said)).toEqual({
      icc: false,
      masquerade: false,
      hostIp: "127.0.0.1",
      mtu: 1400,
      rates: {},
      link: "mine0",
    });
  });

  test.each([
    ["com.docker.network.driver.mtu", "abc", "failed to parse com.docker.network.driver.mtu value: abc (strconv.Atoi"],
    ["com.docker.network.driver.mtu", "10", "invalid MTU value: 10"],
    ["com.docker.network.bridge.enable_icc", "abc", "enable_icc value: abc (strconv.ParseBool: parsing"],
    ["com.docker.network.bridge.host_binding_ipv4", "::1", "host_binding_ipv4 value: ::1"],
    ["com.docker.network.bridge.name", 'a"b', "invalid bridge name"],
    ["com.docker.network.bridge.name", "x".repeat(16), "invalid bridge name"],
  ])("%s=%s is refused", (key, value, words) => {
    expect(() => readOptions({ [key]: value })).toThrow(words);
  });
});
