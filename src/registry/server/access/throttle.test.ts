import { describe, expect, test } from "bun:test";
import { clientAddress, Throttle } from "./throttle.ts";

describe("failures of an address", () => {
  test("ten at once, then one each six seconds", () => {
    let now = 0;
    const throttle = new Throttle(() => now);
    const tries = Array.from({ length: 12 }, () => throttle.take("192.0.2.1"));
    expect(tries).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6000, 6000]);
    expect(throttle.take("192.0.2.2")).toBe(0);
    now += 5999;
    expect(throttle.take("192.0.2.1")).toBe(1);
    now += 1;
    expect(throttle.take("192.0.2.1")).toBe(0);
    expect(throttle.take("192.0.2.1")).toBe(6000);
  });
  test("good ones do not count", () => {
    const throttle = new Throttle(() => 0);
    for (let i = 0; i < 100; i++) {
      expect(throttle.take("192.0.2.1")).toBe(0);
      throttle.forgive("192.0.2.1");
    }
  });
  test("a subscriber's IPv6 addresses are one", () => {
    const throttle = new Throttle(() => 0);
    for (let i = 0; i < 10; i++) expect(throttle.take(`2001:db8::${i + 1}`)).toBe(0);
    expect(throttle.take("2001:db8::ffff")).toBeGreaterThan(0);
    expect(throttle.take("2001:db8:0:1::1")).toBe(0);
  });
  test("a flood of addresses is forgotten, the oldest first", () => {
    const throttle = new Throttle(() => 0);
    for (let i = 0; i < 10; i++) throttle.take("192.0.2.1");
    for (let i = 0; i < 10_000; i++) throttle.take(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    expect(throttle.take("192.0.2.1")).toBe(0);
    expect(throttle.take("10.0.39.15")).toBe(0);
  });
});

describe("the client's address", () => {
  const proxies = ["127.0.0.1", "10.0.0.0/8"];
  test.each([
    ["192.0.2.9", "203.0.113.1", "192.0.2.9"],
    ["127.0.0.1", "203.0.113.1", "203.0.113.1"],
    ["::ffff:127.0.0.1", "203.0.113.1", "203.0.113.1"],
    ["127.0.0.1", "203.0.113.1, 10.1.2.3", "203.0.113.1"],
    ["127.0.0.1", "192.0.2.66, 203.0.113.1", "203.0.113.1"],
    ["127.0.0.1", "10.1.1.1", "10.1.1.1"],
    ["127.0.0.1", "nonsense", "127.0.0.1"],
    ["127.0.0.1", null, "127.0.0.1"],
    ["", "203.0.113.1", ""],
  ])("peer %s, forwarded for %s: %s", (peer, forwarded, address) => {
    expect(clientAddress(peer, { forwarded, proxies })).toBe(address);
  });
});
