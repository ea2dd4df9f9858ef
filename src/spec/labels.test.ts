import { expect, test } from "bun:test";
import { hasLabel } from "./labels.ts";

test.each<[string, boolean]>([
  ["a", true],
  ["a=1", true],
  ["a=2", false],
  ["b", false],
  ["empty", true],
  ["empty=", true],
  ["e", true],
  ["e=x=y", true],
  ["toString", false],
  ["constructor", false],
])("label %s: %p", (wanted, has) => {
  expect(hasLabel({ a: "1", empty: "", e: "x=y" }, wanted)).toBe(has);
});

test("what has no labels has none that is asked for", () => {
  expect([hasLabel(null, "a"), hasLabel(undefined, "a="), hasLabel({}, "a")]).toEqual([false, false, false]);
});
