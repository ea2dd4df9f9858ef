import { describe, expect, test } from "bun:test";
import { parseIgnore } from "./ignore.ts";
import { Lab } from "./lab.test.ts";

describe("patterns", () => {
  test.each([
    ["*.md", "README.md", true],
    ["*.md", "docs/README.md", false],
    ["**/*.md", "README.md", true],
    ["**/*.md", "a/b/c.md", true],
    ["docs", "docs/deep/file", true],
    ["/docs/", "docs/x", true],
    ["./docs", "docs/x", true],
    ["a/**", "a/b/c", true],
    ["a/**", "a", false],
    ["a/**/z", "a/z", true],
    ["a/**/z", "a/b/c/z", true],
    ["*/temp*", "x/temporary", true],
    ["*/temp*", "x/y/temp", false],
    ["temp?", "tempa", true],
    ["temp?", "temp", false],
    ["[ab].txt", "a.txt", true],
    ["[^ab].txt", "a.txt", false],
    ["a\\*b", "a*b", true],
    ["a\\*b", "axb", false],
    ["a.b", "axb", false],
    ["# comment", "# comment", false],
    [".", "anything", false],
    ["a/../b", "b", true],
    ["*\n!keep", "keep", false],
    ["*\n!keep", "other", true],
    ["!keep\n*", "keep", true],
    ["dir\n!dir/in", "dir/in", false],
    ["dir\n!dir/in", "dir/other", true],
    ["*\n!dir/**\ndir/secret", "dir/secret", true],
  ])("%j on %s: %p", (rules, path, excluded) => expect(parseIgnore(rules).excludes(path)).toBe(excluded));

  test("malformed patterns", () => {
    expect(() => parseIgnore("a[b")).toThrow(".dockerignore: syntax error in pattern: a[b");
    expect(() => parseIgnore("!")).toThrow('illegal exclusion pattern: "!"');
  });
});

describe("in a build", () => {
  const files = { "keep.txt": "1", "drop.log": "2", "dir/a": "3", "dir/b": "4", "gone/x/y": "5" };
  const names = async (ignore: Record<string, string>, dockerfile = "Dockerfile"): Promise<string[]> => {
    await using lab = await Lab.open();
    const { image } = await lab.build(
      { [dockerfile]: "FROM scratch\nCOPY . /\n", ...ignore, ...files },
      { dockerfile },
    );
    const view = lab.view(image);
    return ["/", "/dir", "/gone"].flatMap((d) => view.readdir(d).map((n) => `${d}/${n}`.replace("//", "/")));
  };

  test("what it names is not there, exceptions are", async () => {
    expect(await names({ ".dockerignore": "*.log\ndir\n!dir/b\ngone\n.dockerignore\nDockerfile\n" })).toEqual([
      "/dir",
      "/keep.txt",
      "/dir/b",
    ]);
  });

  test("a Dockerfile with an ignore file of its own", async () => {
    const ignores = { ".dockerignore": "keep.txt", "x.Dockerfile.dockerignore": "**\n!keep.txt\n" };
    expect(await names(ignores, "x.Dockerfile")).toEqual(["/keep.txt"]);
  });
});
