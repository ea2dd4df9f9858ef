import { expect, test } from "bun:test";
import { followed, keepEnding, planCopy, splitArgument, splitEntry } from "./plan.ts";

// As Go's filepath and docker's archive package have it; whole copies are in test/e2e/cp-matrix.test.ts.

test.each([
  ["c:/a", "c", "/a"],
  ["c:", "c", ""],
  ["/a:b", "", "/a:b"],
  ["./a:b", "", "./a:b"],
  ["../a:b", "", "../a:b"],
  ["a", "", "a"],
  ["-", "", "-"],
  ["c:a:b", "c", "a:b"],
])("argument %s", (argument, container, path) => {
  expect(splitArgument(argument)).toEqual({ container, path });
});

test.each([
  ["/a/b", "/a", "b"],
  ["/a/b/", "/a", "b"],
  ["/a/b/.", "/a/b", "."],
  ["/", "/", "/"],
  ["/.", "/", "."],
  ["a", ".", "a"],
  ["", ".", "."],
  ["/a/../b", "/", "b"],
])("entry %s", (path, folder, base) => {
  expect(splitEntry(path)).toEqual({ folder, base });
});

test.each([
  ["/a", "a/.", "/a/."],
  ["/a", "a/", "/a/"],
  ["/a", "a", "/a"],
  ["/a", ".", "/a/."],
  ["/", "/", "/"],
  ["/", "/.", "/."],
])("%s with the ending of %s", (clean, original, wanted) => {
  expect(keepEnding(clean, original)).toBe(wanted);
});

test.each([
  ["/l", "/t", { path: "/t", name: "l" }],
  ["/l/", "/t", { path: "/t/", name: "l" }],
  ["/l/.", "/t", { path: "/t/." }],
  ["/a/x", "/b/x", { path: "/b/x" }],
])("link %s followed to %s", (path, target, wanted) => {
  expect(followed(path, target)).toEqual(wanted);
});

const [file, folder] = [
  { name: "s", isDir: false },
  { name: "s", isDir: true },
];

test("what exists decides: into a folder under the own name, in a file's place under its name", () => {
  expect(planCopy(file, { path: "/t", exists: true, isDir: true })).toEqual({ folder: "/t", name: "s" });
  expect(planCopy(folder, { path: "/t", exists: true, isDir: true })).toEqual({ folder: "/t", name: "s" });
  expect(planCopy(file, { path: "/t/f", exists: true, isDir: false })).toEqual({ folder: "/t", name: "f" });
  expect(() => planCopy(folder, { path: "/t/f", exists: true, isDir: false })).toThrow("cannot copy directory");
});

test("what is missing is made, but no folder of a file", () => {
  expect(planCopy(folder, { path: "/t/new/", exists: false, isDir: false })).toEqual({ folder: "/t", name: "new" });
  expect(planCopy(file, { path: "/t/new", exists: false, isDir: false })).toEqual({ folder: "/t", name: "new" });
  for (const path of ["/t/new/", "/t/new/.", ""])
    expect(() => planCopy(file, { path, exists: false, isDir: false })).toThrow("no such directory");
});
