import { expect, test } from "bun:test";
import { parseNet } from "../spec/ipnet.ts";
import { AddressPool } from "./addresses.ts";
import { chooseSubnet } from "./bridge.ts";
import { formatAddress, formatSubnet, macOf, parseAddress, parseBip, parseCidr } from "./cidr.ts";

const address = (text: string): number => parseAddress(text) ?? Number.NaN;

test("addresses parse strictly and print back", () => {
  for (const text of ["0.0.0.0", "172.18.0.2", "255.255.255.255"]) expect(formatAddress(address(text))).toBe(text);
  for (const text of ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.x", " 1.2.3.4", "::1"]) {
    expect(parseAddress(text)).toBeUndefined();
  }
  expect(formatSubnet(parseCidr("10.1.2.3/20").subnet)).toBe("10.1.0.0/20");
  expect(formatSubnet(parseCidr("200.1.2.3/0").subnet)).toBe("0.0.0.0/0");
  for (const text of ["10.0.0.1", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/8/8", "x/8"]) {
    expect(() => parseCidr(text)).toThrow(`invalid CIDR address: ${text}`);
  }
});

test("a container's MAC holds its address", () => {
  expect(macOf(address("172.18.0.2"))).toBe("02:42:ac:12:00:02");
});

test("a bridge's address is a host's, in a subnet with room", () => {
  expect(formatAddress(parseBip("10.1.0.254/24").gateway)).toBe("10.1.0.254");
  expect(() => parseBip("10.1.0.255/24")).toThrow("it names the network, not a host in it");
  expect(() => parseBip("10.1.0.1/7")).toThrow("from 8 to 30");
});

function poolOf(cidr: string): AddressPool {
  const net = parseNet(cidr)?.net;
  if (!net) throw new Error(`${cidr} is no subnet`);
  return new AddressPool({ net, network: "bridge", taken: ["10.0.0.1"] });
}

test("addresses go up and round, skip what is reserved, and end with a clear error", () => {
  const pool = poolOf("10.0.0.0/29");
  pool.reserve("10.0.0.3");
  pool.reserve("192.0.2.1");
  const taken = Array.from({ length: 4 }, () => pool.take());
  expect(taken).toEqual(["10.0.0.2", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
  expect(() => pool.take()).toThrow("no available IPv4 addresses on this network's address pools: bridge");
  pool.release("10.0.0.4");
  pool.release("10.0.0.1");
  expect(pool.take()).toBe("10.0.0.4");
  expect(() => pool.take()).toThrow("no available");
});

test("an address that was just given back is not the next", () => {
  const pool = poolOf("10.0.0.0/24");
  pool.release(pool.take());
  expect(pool.take()).toBe("10.0.0.3");
});

test("an address may be asked for: once, in the subnet, and not the gateway's", () => {
  const pool = poolOf("10.0.0.0/24");
  expect(pool.claim("10.0.0.2")).toBe("10.0.0.2");
  expect(() => pool.claim("10.0.0.2")).toThrow("Address already in use");
  expect(() => pool.claim("10.0.0.1")).toThrow("Address already in use");
  expect(() => pool.claim("10.0.1.2")).toThrow("not in the network's subnet 10.0.0.0/24");
  expect(pool.take()).toBe("10.0.0.3");
});

test("the subnet is the first that no route touches; a VPN's half of the internet does not count", () => {
  const chosen = (...dsts: string[]): string => formatSubnet(chooseSubnet(dsts.map((dst) => ({ dst }))).subnet);
  expect(chosen("default", "128.0.0.0/1", "192.0.2.0/24")).toBe("172.18.0.0/16");
  expect(chosen("172.18.5.0/24", "172.19.0.1")).toBe("172.20.0.0/16");
  expect(chosen("172.16.0.0/12")).toBe("192.168.0.0/20");
  expect(chosen("172.16.0.0/12", "192.168.0.0/16", "10.208.0.0/24")).toBe("10.208.1.0/24");
  expect(() => chosen("172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8")).toThrow(
    "all predefined address pools have been fully subnetted",
  );
});
