import { expect, test } from "bun:test";
import { compareNames, comparePaths, decodeName, encodeName, sysName } from "./names.ts";

test("any bytes survive the way to a string and back", () => {
  const cases = ["plain", "häß", "日本語🚢", "", "\ufffd"].map((s) => Buffer.from(s));
  cases.push(Buffer.from([0xff, 0xfe]), Buffer.from([0x61, 0xe9, 0x62]), Buffer.from([0xed, 0xa0, 0x80]));
  cases.push(Buffer.from([0xf0, 0x9f, 0x9a]), Buffer.from([0xc3]), Buffer.from([0xef, 0xbb, 0xbf, 0x61]));
  for (let i = 0; i < 300; i += 1)
    cases.push(Buffer.from(Array.from({ length: 7 }, (_, k) => (i * 37 + k * k * 91) & 255)));
  for (const bytes of cases) expect(encodeName(decodeName(bytes))).toEqual(bytes);
});

test("a valid name is the plain string, also for system calls; another one goes as bytes", () => {
  expect(sysName(decodeName(Buffer.from("日本")))).toBe("日本");
  expect(sysName(decodeName(Buffer.from([0x61, 0xff])))).toEqual(Buffer.from([0x61, 0xff]));
});

test("names are ordered by their bytes", () => {
  expect(["b", "ä", "a", "B", "a.b", "a-b", "日"].sort(compareNames)).toEqual(["B", "a", "a-b", "a.b", "b", "ä", "日"]);
  // UTF-16 would put the ship first: its surrogates are below U+FF01.
  expect(["🚢", "！"].sort(compareNames)).toEqual(["！", "🚢"]);
});

test("paths are ordered as a walk meets them", () => {
  const walk = ["can", "can/bcm.h", "can/x/y", "can-bus", "can.h", "cana"];
  expect([...walk].reverse().sort(comparePaths)).toEqual(walk);
});
