import { expect, test } from "bun:test";
import { durationText, humanDuration, parseDuration } from "./duration.ts";

test.each<[string, number]>([
  ["0", 0],
  ["+0", 0],
  ["1h30m", 5400e9],
  ["1.5s", 1.5e9],
  [".5s", 0.5e9],
  ["-10ms", -10e6],
  ["500us", 500e3],
  ["500µs", 500e3],
  ["500μs", 500e3],
  ["7ns", 7],
])("the duration %p is %p ns", (text, ns) => {
  expect(parseDuration(text)).toBe(ns);
});

test.each([
  ["", 'time: invalid duration ""'],
  ["5", 'time: missing unit in duration "5"'],
  ["1.2.3", 'time: missing unit in duration "1.2.3"'],
  ["5x", 'time: unknown unit "x" in duration "5x"'],
  ["5 m", 'time: unknown unit " m" in duration "5 m"'],
  ["1constructor", 'time: unknown unit "constructor" in duration "1constructor"'],
  ["s", 'time: invalid duration "s"'],
])("the duration %p is refused in Go's words", (text, message) => {
  expect(parseDuration(text)).toBe(message);
});

const SECOND = 1;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
test.each<[number, string]>([
  [0, "Less than a second"],
  [0.999, "Less than a second"],
  [SECOND, "1 second"],
  [59.9 * SECOND, "59 seconds"],
  [MINUTE, "About a minute"],
  [119 * SECOND, "About a minute"],
  [2 * MINUTE, "2 minutes"],
  [59 * MINUTE, "59 minutes"],
  [HOUR, "About an hour"],
  [89 * MINUTE, "About an hour"],
  [91 * MINUTE, "2 hours"],
  [47 * HOUR, "47 hours"],
  [48 * HOUR, "2 days"],
  [13 * DAY, "13 days"],
  [14 * DAY, "2 weeks"],
  [59 * DAY, "8 weeks"],
  [60 * DAY, "2 months"],
  [700 * DAY, "23 months"],
  [730 * DAY, "2 years"],
])("%p seconds are %s", (seconds, words) => {
  expect(humanDuration(seconds)).toBe(words);
});

test.each<[number, string]>([
  [0, "0s"],
  [7, "7ns"],
  [1500, "1.5µs"],
  [10e6, "10ms"],
  [1.5e9, "1.5s"],
  [-90e9, "-1m30s"],
  [3600e9, "1h0m0s"],
  [3661.5e9, "1h1m1.5s"],
  [86400e9, "24h0m0s"],
])("%p ns print as %p", (ns, text) => {
  expect(durationText(ns)).toBe(text);
  expect(parseDuration(text)).toBe(ns);
});
