import { expect, test } from "bun:test";
import { naturalOrder } from "./natural.ts";

// Each list stands in the order of docker volume ls.
const LISTS = [
  ["v1", "v2", "v10", "v10a", "v100"],
  ["2", "02", "3", "10"],
  ["4d02", "7e97", "917d", "af"],
  ["a", "a1", "a-1", "a.b", "ab"],
  ["B", "_", "a", "é"],
  ["x1y2", "x1y10", "x01y1", "x2"],
];

test.each(LISTS.map((list) => [list]))("%p", (list) => {
  expect([...list].reverse().sort(naturalOrder)).toEqual(list);
  expect([...list].sort(naturalOrder)).toEqual(list);
  for (const name of list) expect(naturalOrder(name, name)).toBe(0);
});
