import { expect, test } from "bun:test";
import { parseExactInstant, parseInstant, parseUntil } from "./instant.ts";

test.each<[string, number]>([
  ["0", 0],
  ["1700000000", 1_700_000_000_000],
  ["1700000000.25", 1_700_000_000_250],
  ["-1.5", -1500],
  ["2024-01-02", Date.UTC(2024, 0, 2)],
  ["2024-01-02T03:04", Date.UTC(2024, 0, 2, 3, 4)],
  ["2024-01-02 03:04:05", Date.UTC(2024, 0, 2, 3, 4, 5)],
  ["2024-01-02T03:04:05Z", Date.UTC(2024, 0, 2, 3, 4, 5)],
  ["2024-01-02T03:04:05.678+02:00", Date.UTC(2024, 0, 2, 1, 4, 5, 678)],
])("time %p", (text, ms) => {
  expect(parseUntil(text)).toBe(ms);
});

test.each<[string, number]>([
  ["10ms", 10],
  ["1.5s", 1500],
  ["10m", 600_000],
  ["1h30m", 5_400_000],
  ["24h", 86_400_000],
])("%p ago", (text, ms) => {
  const now = Date.now();
  const at = parseUntil(text);
  expect(at).toBeGreaterThanOrEqual(now - ms);
  expect(at).toBeLessThanOrEqual(Date.now() - ms);
});

test.each(["", "x", "1h x", "h", "2024-13-01", "Jan 1 2024", "1.2.3"])("time %p is refused", (text) => {
  expect(() => parseUntil(text)).toThrow(`failed to parse value as time or duration: "${text}"`);
});

test("what is no time is undefined", () => {
  expect(parseInstant("soon")).toBeUndefined();
});

test.each([
  ["0.000000001", "1970-01-01T00:00:00.000000001Z"],
  ["1700000000", "2023-11-14T22:13:20.000000000Z"],
  ["1700000000.5", "2023-11-14T22:13:20.500000000Z"],
  ["1700000000.123456789123", "2023-11-14T22:13:20.123456789Z"],
  ["2023-11-14T22:13:20.123456789Z", "2023-11-14T22:13:20.123456789Z"],
  ["2023-11-14T22:13:20.12345+01:00", "2023-11-14T21:13:20.123450000Z"],
  ["2023-11-14T22:13:20.5Z", "2023-11-14T22:13:20.500000000Z"],
  ["2023-11-14", "2023-11-14T00:00:00.000000000Z"],
  ["99999999999999", "9999-12-31T23:59:59.000000000Z"],
  ["-5", "1970-01-01T00:00:00.000000000Z"],
])("the exact form of %s", (text, exact) => {
  expect(parseExactInstant(text)).toBe(exact);
});

test("the exact form of a span counts back from now; of nothing known there is none", () => {
  const minute = Date.parse(parseExactInstant("1m") ?? "");
  expect(Math.abs(Date.now() - 60_000 - minute)).toBeLessThan(60_000);
  for (const text of ["soon", "", "1.2.3", "2023-13-40"]) expect(parseExactInstant(text)).toBeUndefined();
});
