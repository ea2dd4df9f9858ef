import { expect, test } from "bun:test";
import { countOf, formatIp, formatNet, inNet, netsOverlap, parseIp, parseNet } from "./ipnet.ts";

function net(text: string) {
  const parsed = parseNet(text);
  if (!parsed) throw new Error(`${text} is no subnet`);
  return parsed.net;
}

test.each([
  ["10.0.0.1", "10.0.0.1"],
  ["255.255.255.255", "255.255.255.255"],
  ["0.0.0.0", "0.0.0.0"],
  ["::", "::"],
  ["::1", "::1"],
  ["1::", "1::"],
  ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["fd00:0:0:0:0:0:0:2", "fd00::2"],
  ["::ffff:1.2.3.4", "::ffff:102:304"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
])("%s is the address %s", (text, canonical) => {
  const ip = parseIp(text);
  expect(ip && formatIp(ip)).toBe(canonical);
});

test.each([
  "",
  "1.2.3",
  "1.2.3.4.5",
  "01.2.3.4",
  "256.1.1.1",
  "1.2.3.4.",
  ".1.2.3.4",
  "1.2.3.-4",
  ":::",
  "1::2::3",
  "12345::",
  "fe80::1%eth0",
  "g::1",
  "localhost",
])("%p is no address", (text) => {
  expect(parseIp(text)).toBeUndefined();
});

test.each([
  ["10.1.2.3/16", "10.1.0.0/16", 65536n],
  ["10.1.2.3/32", "10.1.2.3/32", 1n],
  ["0.0.0.0/0", "0.0.0.0/0", 2n ** 32n],
  ["fd00:1:2:3:4::5/64", "fd00:1:2:3::/64", 2n ** 64n],
  ["::/0", "::/0", 2n ** 128n],
])("%s lies in %s", (text, base, count) => {
  const parsed = parseNet(text);
  expect(parsed && formatNet(parsed.net)).toBe(base);
  expect(parsed && countOf(parsed.net)).toBe(count);
});

test.each(["10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "::/129", "10.0.0.0/8/8", "/8", "x/8"])(
  "%p is no subnet",
  (text) => {
    expect(parseNet(text)).toBeUndefined();
  },
);

test("an address lies in the subnets of its family that hold it, from the first address to the last", () => {
  const has = (subnet: string, text: string): boolean => {
    const ip = parseIp(text);
    return ip !== undefined && inNet(net(subnet), ip);
  };
  expect(["10.0.0.0", "10.0.0.255"].map((ip) => has("10.0.0.0/24", ip))).toEqual([true, true]);
  expect(["9.255.255.255", "10.0.1.0", "::a00:1"].map((ip) => has("10.0.0.0/24", ip))).toEqual([false, false, false]);
  expect(has("fd00::/64", "fd00::ffff:ffff:ffff:ffff")).toBe(true);
  expect(has("fd00::/64", "fd00:0:0:1::")).toBe(false);
});

test("subnets overlap where one holds the other, whichever comes first", () => {
  for (const [a, b, overlap] of [
    ["10.0.0.0/8", "10.9.0.0/16", true],
    ["10.0.0.0/24", "10.0.1.0/24", false],
    ["::/0", "fd00::/8", true],
    ["0.0.0.0/0", "::/0", false],
  ] as const) {
    expect(netsOverlap(net(a), net(b))).toBe(overlap);
    expect(netsOverlap(net(b), net(a))).toBe(overlap);
  }
});
