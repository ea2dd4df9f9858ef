import { expect, test } from "bun:test";
import { byVersion, inRange, versionOf } from "./versions.ts";

test.each([
  ["1.2.3", "1.2.3"],
  ["v1.2.3", "1.2.3"],
  ["1.2", "1.2.0"],
  ["3", "3.0.0"],
  ["v08", "8.0.0"],
  ["1.36-glibc", "1.36.0-glibc"],
  ["2.0_b1", "2.0.0-b1"],
  ["1.0-2.el9", "1.0.0-2.el9"],
  ["latest", undefined],
  ["1.2.3.4", undefined],
  ["1.2rc1", undefined],
  ["", undefined],
  ["99999999999999999999", undefined],
])("%s is the version %p", (tag, version) => expect(versionOf(tag)?.version).toBe(version));

test("the highest version comes first, names that are none last", () => {
  const tags = ["latest", "1.9", "1.10", "1.10.0-rc1", "v2", "stable", "1.10.1", "1.2-alpine", "1.2"];
  expect(byVersion(tags)).toEqual([
    "v2",
    "1.10.1",
    "1.10",
    "1.10.0-rc1",
    "1.9",
    "1.2",
    "1.2-alpine",
    "latest",
    "stable",
  ]);
});

const TAGS = ["1", "1.2", "1.2.5", "1.3-rc1", "1.3.0-alpine", "1.10.2", "2", "v1.4.0", "latest"];
test.each([
  [">=1.2 <2", false, ["1.2", "1.2.5", "1.10.2", "v1.4.0"]],
  [">=1.2 <2", true, ["1.2", "1.2.5", "1.3-rc1", "1.3.0-alpine", "1.10.2", "v1.4.0"]],
  ["^1.3.0-0", false, ["1.3-rc1", "1.3.0-alpine", "1.10.2", "v1.4.0"]],
  ["~1.2", false, ["1.2", "1.2.5"]],
  ["1.x || 2", false, ["1", "1.2", "1.2.5", "1.10.2", "2", "v1.4.0"]],
  ["1.2 - 1.4", false, ["1.2", "1.2.5", "v1.4.0"]],
  ["9", true, []],
])("%s, with suffixes: %p", (range, pre, want) => expect(TAGS.filter(inRange(range, { pre }))).toEqual(want));

test.each(["not a range", ">=a", "1.2.3.4"])("%s is refused, with what would do", (range) => {
  expect(() => inRange(range, { pre: false })).toThrow(/invalid range of versions ".*" \(such as '>=1\.2 <2'/);
});
