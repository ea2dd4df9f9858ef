import { expect, test } from "bun:test";
import { compileGlob } from "./glob.ts";

test.each<[string, string, boolean]>([
  ["abc", "abc", true],
  ["abc", "abcd", false],
  ["*", "abc", true],
  ["*", "a/b", false],
  ["a*", "a", true],
  ["*/b", "a/b", true],
  ["a*b*c", "a-b-b-c", true],
  ["?", "é", true],
  ["?", "/", false],
  ["ab[c]", "abc", true],
  ["ab[b-d]", "abc", true],
  ["ab[e-g]", "abc", false],
  ["ab[^c]", "abc", false],
  ["ab[^e-g]", "abc", true],
  ["[\\]a]", "]", true],
  ["[\\-]", "-", true],
  ["[x\\-]", "x", true],
  ["a\\*b", "a*b", true],
  ["a\\*b", "axb", false],
  ["a.b", "axb", false],
  ["a+(b)|{c}$", "a+(b)|{c}$", true],
])("%s on %s is %p, as in Go's path.Match", (pattern, text, expected) => {
  expect(compileGlob(pattern)(text)).toBe(expected);
});

test.each(["[", "[]", "[]a]", "[a", "[^", "[a-", "[-x]", "[x-]", "[b-a]", "a\\", "[\\"])(
  "%s is a syntax error",
  (pattern) => {
    expect(() => compileGlob(pattern)).toThrow("syntax error in pattern");
  },
);
