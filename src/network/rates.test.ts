import { expect, test } from "bun:test";
import { isFree, readRates } from "./rates.ts";

test.each([
  ["10mbit", 10_000_000],
  ["500Kbit", 500_000],
  ["1gbit", 1e9],
  ["1.5mbit", 1_500_000],
  ["8000", 8000],
])("a rate of %s is %d bits per second", (text, bits) => {
  expect(readRates({ "berth.ingress-rate": text, other: "x" })).toEqual({ ingress: bits });
  expect(readRates({ "berth.egress-rate": text })).toEqual({ egress: bits });
});

test.each(["0", "-1", "10mb", "fast", "1e9", "7999", "2tbit", "10 mbit", "mbit", "NaN"])("%p is no rate", (text) => {
  expect(() => readRates({ "berth.egress-rate": text })).toThrow(`invalid berth.egress-rate ${JSON.stringify(text)}`);
});

test("without options, or with empty ones, nothing is limited", () => {
  expect(isFree(readRates())).toBe(true);
  expect(isFree(readRates({ "berth.egress-rate": "" }))).toBe(true);
  expect(isFree(readRates({ "berth.egress-rate": "1mbit" }))).toBe(false);
});
