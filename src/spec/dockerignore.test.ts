import { describe, expect, test } from "bun:test";
// What docker 28.5's classic builder packed of a folder with these files, for each .dockerignore.
import golden from "./dockerignore.golden.json";
import { NO_RULES, parseIgnore } from "./dockerignore.ts";

interface Case {
  ignore: string;
  out?: string[];
  kept?: string[];
  error?: string;
}

const cases: Case[] = golden.cases;

describe("as docker", () => {
  test.each(cases.map((c): [string, Case] => [c.ignore, c]))("%j", (_, { ignore, out, kept, error }) => {
    if (error !== undefined) return expect(() => parseIgnore(ignore)).toThrow(error);
    const rules = parseIgnore(ignore);
    const left = golden.files.filter((file) => !rules.excludes(file));
    return expect(left).toEqual(kept ?? golden.files.filter((file) => !out?.includes(file)));
  });
});

test("an exception below an excluded folder brings a file back, and folders are to be looked into", () => {
  const rules = parseIgnore("*\n!**/keep\n");
  expect(rules.hasExceptions).toBe(true);
  expect(["sub", "sub/no", "sub/deep/keep", "keep"].map(rules.excludes)).toEqual([true, true, false, false]);
  expect(parseIgnore("*").hasExceptions).toBe(false);
});

test("what is malformed names file and pattern", () => {
  expect(() => parseIgnore("ok\na[b")).toThrow(".dockerignore: syntax error in pattern: a[b");
});

test("nothing said, nothing left out", () => {
  for (const rules of [NO_RULES, parseIgnore(""), parseIgnore("\n# only\n")]) {
    expect(rules.excludes("a/b")).toBe(false);
    expect(rules.hasExceptions).toBe(false);
  }
});
