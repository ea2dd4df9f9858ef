import { describe, expect, test } from "bun:test";
import { changesNothing, DISPLACED, kernelMap, parseIdMap } from "./id-map.ts";

describe("what a person writes", () => {
  test.each([
    ["me", { host: "me" }],
    ["1000:100", { host: { uid: 1000, gid: 100 } }],
    ["1000.100", { host: { uid: 1000, gid: 100 } }],
    ["1000", { host: { uid: 1000, gid: 1000 } }],
    ["me@33:34", { host: "me", container: { uid: 33, gid: 34 } }],
    ["0:0@33", { host: { uid: 0, gid: 0 }, container: { uid: 33, gid: 33 } }],
    ["4294967293", { host: { uid: 4294967293, gid: 4294967293 } }],
  ] as const)("%p", (text, wish) => expect<unknown>(parseIdMap(text)).toEqual(wish));

  test.each([
    "",
    "you",
    "1:",
    ":1",
    "-1",
    "1:2:3",
    "me@",
    "me@me",
    "1@2@3",
    " 1",
    "1e3",
    "4294967294",
    "1:4294967295",
    "99999999999",
  ])("%p is refused", (text) => expect(() => parseIdMap(text)).toThrow(`invalid map: '${text}'`));
});

/** The map as the kernel reads it. */
function ranges(text: string): { from: number; to: number; count: number }[] {
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [from = -1, to = -1, count = -1] = line.split(" ").map(Number);
      return { from, to, count };
    });
}

describe("the kernel's map", () => {
  const seen = (text: string, id: number): number | undefined => {
    const range = ranges(text).find(({ from, count }) => id >= from && id < from + count);
    return range && range.to + id - range.from;
  };

  test.each([
    [1000, 0],
    [0, 1000],
    [1000, 1001],
    [1, 0],
    [DISPLACED - 1, 0],
    [DISPLACED - 1, DISPLACED - 2],
    [33, 2 ** 31],
  ])("%p is seen as %p, and every id is exactly one", (disk, inside) => {
    const text = kernelMap(disk, inside);
    expect(seen(text, disk)).toBe(inside);
    expect(seen(text, inside)).toBe(DISPLACED);
    expect(seen(text, DISPLACED)).toBe(disk);
    for (const other of [5, 65534, 2 ** 31 - 1, DISPLACED - 5]) expect(seen(text, other)).toBe(other);
    for (const side of ["from", "to"] as const) {
      const sorted = ranges(text).sort((a, b) => a[side] - b[side]);
      const ends = sorted.map((range) => range[side] + range.count);
      expect(sorted.map((range) => range[side])).toEqual([0, ...ends.slice(0, -1)]);
      expect(ends.at(-1)).toBe(2 ** 32 - 1);
      expect(sorted.every(({ count }) => count > 0)).toBe(true);
    }
  });

  test("an id that is itself leaves all as they are", () => {
    expect(kernelMap(7, 7)).toBe("0 0 4294967295\n");
    expect(changesNothing({ host: { uid: 1, gid: 2 }, container: { uid: 1, gid: 2 } })).toBe(true);
    expect(changesNothing({ host: { uid: 1, gid: 2 }, container: { uid: 1, gid: 3 } })).toBe(false);
  });
});
