import { expect, test } from "bun:test";
import { parseInstant, parseUntil } from "./instant.ts";

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
