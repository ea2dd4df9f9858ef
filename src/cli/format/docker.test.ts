import { expect, test } from "bun:test";
import { humanDuration } from "../../spec/duration.ts";
import { ago } from "./time.ts";
import { binarySize, humanSizeShort, parseSize } from "./units.ts";

/** What docker 28's `images` wrote for an image of this age. */
const SPANS: [number, string][] = [
  [30, "30 seconds"],
  [61, "About a minute"],
  [90, "About a minute"],
  [118, "About a minute"],
  [121, "2 minutes"],
  [179, "2 minutes"],
  [1800, "30 minutes"],
  [3569, "59 minutes"],
  [3601, "About an hour"],
  [5364, "About an hour"],
  [5436, "2 hours"],
  [7200, "2 hours"],
  [8964, "2 hours"],
  [9036, "3 hours"],
  [170640, "47 hours"],
  [171360, "2 days"],
  [174240, "2 days"],
  [259200, "3 days"],
  [596160, "6 days"],
  [604800, "7 days"],
  [1200960, "13 days"],
  [1209600, "2 weeks"],
  [1728000, "2 weeks"],
  [1814400, "3 weeks"],
  [5175360, "8 weeks"],
  [5184000, "2 months"],
  [7689600, "2 months"],
  [7776000, "3 months"],
  [31449600, "12 months"],
  [31536000, "12 months"],
  [60480000, "23 months"],
  [63063360, "24 months"],
  [63072000, "2 years"],
  [94521600, "2 years"],
  [94694400, "3 years"],
  [315360000, "10 years"],
];

test.each(SPANS)("%p seconds are %p, as docker says", (seconds, text) => {
  expect(humanDuration(seconds)).toBe(text);
  expect(ago(1_000_000_000 - seconds, 1_000_000_000)).toBe(`${text} ago`);
});

/** And of this size. */
const SIZES: [number, string][] = [
  [0, "0B"],
  [1, "1B"],
  [999, "999B"],
  [1000, "1kB"],
  [1001, "1kB"],
  [1049, "1.05kB"],
  [1050, "1.05kB"],
  [9994, "9.99kB"],
  [9995, "9.99kB"],
  [9999, "10kB"],
  [10000, "10kB"],
  [99949, "99.9kB"],
  [99950, "100kB"],
  [999499, "999kB"],
  [999500, "1e+03kB"],
  [999999, "1e+03kB"],
  [1000000, "1MB"],
  [1234567, "1.23MB"],
  [12345678, "12.3MB"],
  [123456789, "123MB"],
  [999999999, "1e+03MB"],
  [1000000000, "1GB"],
  [1500000000, "1.5GB"],
  [9995000000, "9.99GB"],
  [1000000000000, "1TB"],
  [1234500000000000, "1.23PB"],
  [1000000000000000000, "1EB"],
];

test.each(SIZES)("%p bytes are %p, as docker says", (bytes, text) => {
  expect(humanSizeShort(bytes)).toBe(text);
});

test("a size that is written in powers of 1024 is read back to four digits", () => {
  for (let bytes = 1; bytes < 2 ** 50; bytes = bytes * 3 + 1) {
    const back = parseSize(binarySize(bytes));
    expect(Math.abs(back - bytes)).toBeLessThanOrEqual(Math.max(1, bytes * 0.0006));
  }
});

test.each([
  ["1KB", 1024],
  ["1kib", 1024],
  ["1 k", 1024],
  ["0.5m", 524_288],
  [".5m", 524_288],
  ["5.", 5],
  ["1t", 2 ** 40],
  ["1p", 2 ** 50],
  ["1.9999b", 1],
  ["007", 7],
  ["0", 0],
])("the size %j is %p bytes", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each([".", "k", "1e3", "1kk", "1k b", "1  k", "--1", "1,5", "NaN", "Infinity", "1 kib ib", "0x10"])(
  "the size %j is refused",
  (text) => {
    expect(() => parseSize(text)).toThrow(/^invalid (size|suffix): '/);
  },
);
