import { expect, test } from "bun:test";
import { elementPattern, hasWildcard } from "./gomatch.ts";

test.each([
  ["abc", "abc", true],
  ["*", "abc", true],
  ["*c", "abc", true],
  ["a*", "ab/c", false],
  ["a?c", "abc", true],
  ["a?c", "a/c", false],
  ["ab[c]", "abc", true],
  ["ab[b-d]", "abc", true],
  ["ab[e-g]", "abc", false],
  ["ab[^c]", "abc", false],
  ["ab[^e-g]", "abc", true],
  ["a\\*b", "a*b", true],
  ["a\\*b", "axb", false],
  ["[\\]a]", "]", true],
  ["[\\-x]", "-", true],
  ["[x\\-]", "x", true],
  ["[^a]", "/", false],
  ["a.b", "axb", false],
  ["(a|b)+", "(a|b)+", true],
  ["*.tar.*", "x.tar.gz", true],
  ["a+(b)|{c}$", "a+(b)|{c}$", true],
  ["[\\-]", "-", true],
  ["?", "/", false],
  ["[🚢]", "🚢", true],
  ["?", "🚢", true],
  ["?", "é", true],
  ["a*b*c", "a-b-b-c", true],
  ["a*", "a", true],
  ["*/b", "a/b", true],
  ["*", "a/b", false],
  ["abc", "abcd", false],
])("%s on %s: %p", (pattern, name, matches) => expect(elementPattern(pattern).test(name)).toBe(matches));

test.each([
  "[",
  "[]",
  "[]a]",
  "[-]",
  "[x-]",
  "[-x]",
  "[a-b-c]",
  "[^",
  "[^bc",
  "a[",
  "a\\",
  "[z-a]",
  "[a",
  "[a-",
  "[b-a]",
  "[\\",
])("%s is malformed", (pattern) =>
  expect(() => elementPattern(pattern)).toThrow(`syntax error in pattern: ${pattern}`),
);

test("a plain name needs no matching", () => {
  expect(["a.b", "a b", "ä"].map(hasWildcard)).toEqual([false, false, false]);
  expect(["a*", "a?", "[a]", "\\a"].map(hasWildcard)).toEqual([true, true, true, true]);
});
