import { expect, test } from "bun:test";
import { type Packable, pack } from "./msgpack.ts";

// The bytes are those of the MessagePack specification's table of formats.

const hex = (value: Packable): string => pack(value).toString("hex");
const heads = (value: Packable, length: number): string => pack(value).subarray(0, length).toString("hex");

test.each<[Packable, string]>([
  [0, "00"],
  [127, "7f"],
  [128, "cf0000000000000080"],
  [1_767_323_045, "cf00000000695735a5"],
  ["", "a0"],
  ["abc", "a3616263"],
  ["é", "a2c3a9"],
  [Buffer.of(0xff, 0x00), "a2ff00"],
  [[], "90"],
  [[1, "a"], "9201a161"],
  [{}, "80"],
  [{ a: "b", c: Buffer.from("d") }, "82a161a162a163a164"],
  [{ seconds: 1, nanos: 2 }, "d7000000000100000002"],
  [["t", { seconds: 1, nanos: 0 }, { log: "" }], "93a174d700000000010000000081a36c6f67a0"],
])("%j", (value, bytes) => {
  expect(hex(value)).toBe(bytes);
});

test.each<[number, string]>([
  [31, "bf"],
  [32, "d920"],
  [255, "d9ff"],
  [256, "da0100"],
  [65_535, "daffff"],
  [65_536, "db00010000"],
])("a text of %p bytes", (length, head) => {
  const packed = pack("x".repeat(length));
  expect(packed.length).toBe(head.length / 2 + length);
  expect(packed.subarray(0, head.length / 2).toString("hex")).toBe(head);
});

test.each<[number, string]>([
  [15, "9f"],
  [16, "dc0010"],
  [70_000, "dd00011170"],
])("a list of %p", (length, head) => {
  expect(heads(new Array<number>(length).fill(1), head.length / 2)).toBe(head);
});

test.each<[number, string]>([
  [15, "8f"],
  [16, "de0010"],
])("a map of %p", (length, head) => {
  const map = Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, "v"]));
  expect(heads(map, head.length / 2)).toBe(head);
});
