import { expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { parsePorts } from "./ports.ts";
import { PUBLISH_POLICIES, type PublishPolicy, unnamedBy } from "./publish-policy.ts";

const BOTH = { v4: true, v6: true };
const ips = (policy: PublishPolicy, hostIp = "", families = BOTH, address?: string): string[] => {
  const unnamed = unnamedBy({ policy, bridge: "berth0", ...(address === undefined ? {} : { address }) });
  const ports = { "80/tcp": [{ HostIp: hostIp, HostPort: "8080" }] };
  return parsePorts(ports, { ...families, unnamed }).flatMap((wish) => wish.hostIps);
};

test("a port that names no address goes where the policy says, on the families that the container has", () => {
  expect(ips("any")).toEqual(["0.0.0.0", "::"]);
  expect(ips("local")).toEqual(["127.0.0.1", "::1"]);
  expect(ips("local", "", { v4: true, v6: false })).toEqual(["127.0.0.1"]);
  expect(ips("local", "", { v4: false, v6: true })).toEqual(["::1"]);
  expect(() => ips("ask")).toThrow(
    "cannot publish 80/tcp: the daemon's publish-policy is ask; name an address, as in -p 127.0.0.1:8080:80/tcp",
  );
});

test("lan: this host's private addresses and itself, no others", () => {
  const found = ips("lan");
  expect(found.slice(0, 2)).toEqual(["127.0.0.1", "::1"]);
  const all = Object.values(networkInterfaces()).flatMap((some) => (some ?? []).map((a) => a.address));
  for (const ip of found.slice(2)) {
    expect(all).toContain(ip);
    expect(ip).toMatch(/^(10|172|192\.168|100|169\.254)\.|^f[cd]/);
  }
});

test.each(PUBLISH_POLICIES)("%s: an address that a person names is theirs to choose", (policy) => {
  expect(ips(policy, "0.0.0.0")).toEqual(["0.0.0.0"]);
  expect(ips(policy, "10.1.2.3")).toEqual(["10.1.2.3"]);
  expect(ips(policy, "::1")).toEqual(["::1"]);
});

test.each(PUBLISH_POLICIES)("%s: a default address goes before the policy", (policy) => {
  expect(ips(policy, "", BOTH, "127.0.0.1")).toEqual(["127.0.0.1"]);
  expect(ips(policy, "", { v4: true, v6: false }, "::1")).toEqual([]);
});

test("ports that are merely exposed ask for nothing", () => {
  expect(parsePorts({ "80/tcp": null }, { ...BOTH, unnamed: unnamedBy({ policy: "ask", bridge: "x" }) })).toEqual([]);
});
