import { expect, test } from "bun:test";
import { binarySize, goGeneral, humanSize, humanSizeShort, parseDuration, parseSize } from "./units.ts";

test.each([
  [0, "0B", "0B"],
  [999, "999B", "999B"],
  [1000, "1kB", "1kB"],
  [2_065_123, "2.065MB", "2.07MB"],
  [123_456_789, "123.5MB", "123MB"],
  [1_500_000_000, "1.5GB", "1.5GB"],
  [999_999, "1000kB", "1e+03kB"],
])("%p bytes read %p, in short %p", (bytes, long, short) => {
  expect(humanSize(bytes)).toBe(long);
  expect(humanSizeShort(bytes)).toBe(short);
});

test.each([
  [0, "0B"],
  [1023, "1023B"],
  [921_600, "900KiB"],
  [25_275_875_328, "23.54GiB"],
])("%p bytes are %p in powers of 1024", (bytes, text) => {
  expect(binarySize(bytes)).toBe(text);
});

test("numbers keep Go's %g form", () => {
  expect(goGeneral(0.00001234, 3)).toBe("1.23e-05");
  expect(goGeneral(12345, 3)).toBe("1.23e+04");
  expect(goGeneral(100, 4)).toBe("100");
});

test.each([
  ["64", 64],
  ["1k", 1024],
  ["1.5g", 1_610_612_736],
  ["2GiB", 2_147_483_648],
  ["10 MB", 10_485_760],
  ["1b", 1],
])("the size %p is %p bytes", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each([
  ["", "invalid size: ''"],
  ["x", "invalid size: 'x'"],
  ["-2", "invalid size: '-2'"],
  ["1x", "invalid suffix: 'x'"],
  ["1ib", "invalid suffix: 'ib'"],
  ["1.2.3", "invalid size: '1.2.3'"],
])("the size %p is refused", (text, message) => {
  expect(() => parseSize(text)).toThrow(message);
});

test.each([
  ["0", 0],
  ["1h30m", 5400e9],
  ["1.5s", 1.5e9],
  ["-10ms", -10e6],
  ["500us", 500e3],
])("the duration %p is %p ns", (text, ns) => {
  expect(parseDuration(text)).toBe(ns);
});

test.each([
  ["", 'time: invalid duration ""'],
  ["5", 'time: missing unit in duration "5"'],
  ["5x", 'time: unknown unit "x" in duration "5x"'],
  ["s", 'time: invalid duration "s"'],
])("the duration %p is refused in Go's words", (text, message) => {
  expect(() => parseDuration(text)).toThrow(message);
});
