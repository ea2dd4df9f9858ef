import { expect, test } from "bun:test";
import { parseSignal, signalName } from "./signals.ts";

test.each<[string, number]>([
  ["SIGTERM", 15],
  ["term", 15],
  ["9", 9],
  ["64", 64],
  ["RTMIN", 34],
  ["RTMIN+3", 37],
  ["SIGRTMIN+15", 49],
  ["RTMAX-14", 50],
  ["RTMAX-1", 63],
  ["sigrtmax", 64],
])("%s is signal %p", (text, number) => {
  expect(parseSignal(text)).toBe(number);
});

test.each(["FOO", "0", "65", "", "SIGRTMIN+16", "RTMAX-15", "SIGRTMIN+99", "SIGSIGTERM", "RTMIN-1", "-9"])(
  "%p is no signal",
  (text) => {
    expect(() => parseSignal(text)).toThrow(`invalid signal: ${text}`);
  },
);

test("a number's name, or the number itself", () => {
  expect([15, 2, 64].map(signalName)).toEqual(["SIGTERM", "SIGINT", "64"]);
});
