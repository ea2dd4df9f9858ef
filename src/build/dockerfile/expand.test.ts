// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles.
import { describe, expect, test } from "bun:test";
import { expandWord, expandWords } from "./expand.ts";
import { expandNode } from "./expand-node.ts";
import { parseInstruction } from "./parse.ts";

const VALUES: Record<string, string> = { x: "val", empty: "", path: "/a/b.c/d.tar.gz", spaced: "one two", star: "a*b" };
const lookup = (name: string): string | undefined => VALUES[name];
const expand = (word: string): string => expandWord(word, { lookup });

describe("one word", () => {
  test.each([
    ["$x", "val"],
    ["${x}y", "valy"],
    ["a$x/b", "aval/b"],
    ["$xy", ""],
    ["\\$x", "$x"],
    ["'$x'", "$x"],
    ['"$x y"', "val y"],
    ['"\\"$x\\""', '"val"'],
    ['"a\\b"', "a\\b"],
    ["a\\ b", "a b"],
    ["$", "$"],
    ["$/", "$/"],
    ["a\\", "a\\"],
    ["${x:-d}", "val"],
    ["${no:-d}", "d"],
    ["${empty:-d}", "d"],
    ["${empty-d}", ""],
    ["${no-d}", "d"],
    ["${x:+a}", "a"],
    ["${empty:+a}", ""],
    ["${empty+a}", "a"],
    ["${no+a}", ""],
    ["${no:-$x}", "val"],
    ["${no:-${empty:-deep}}", "deep"],
    ["${no:-'}'}", "}"],
    ["${x:?e}", "val"],
    ["${path#*/}", "a/b.c/d.tar.gz"],
    ["${path##*/}", "d.tar.gz"],
    ["${path%.*}", "/a/b.c/d.tar"],
    ["${path%%.*}", "/a/b"],
    ["${path/a/A}", "/A/b.c/d.tar.gz"],
    ["${path//./_}", "/a/b_c/d_tar_gz"],
    ["${star#a\\*}", "b"],
    ["$spaced", "one two"],
    ["", ""],
  ])("%s", (word, want) => expect(expand(word)).toBe(want));

  test.each([
    ["${no:?is needed}", "no: is needed"],
    ["${no?}", "no: not set"],
    ["${empty:?}", "empty: not set or empty"],
    ["${x", "syntax error: missing '}'"],
    ["${x:-d", "syntax error: missing '}'"],
    ["${}", "bad substitution"],
    ["${x!y}", "unsupported modifier (!) in substitution"],
    ["'open", "unexpected end of statement while looking for matching single-quote"],
    ['"open', "unexpected end of statement while looking for matching double-quote"],
  ])("%s is refused", (word, message) => expect(() => expand(word)).toThrow(message));

  test("the other escape character", () => {
    expect(expandWord("C:\\`$x`", { lookup, escape: "`" })).toBe("C:\\$x`");
  });

  test("a here-document keeps quotes, and escapes but for variables", () => {
    expect(expandWord("\"$x\" '\\$x' \\n", { lookup, document: true })).toBe("\"val\" '$x' \\n");
  });
});

test("several words: values split, quotes hold together", () => {
  expect(expandWords("$spaced", { lookup })).toEqual(["one", "two"]);
  expect(expandWords('"$spaced" $empty x', { lookup })).toEqual(["one two", "x"]);
});

describe("in instructions", () => {
  const expandLine = (line: string) =>
    expandNode(parseInstruction(line, "Dockerfile"), { file: "Dockerfile", escape: "\\", lookup });

  test.each([
    ["USER $x", "USER val"],
    ["WORKDIR /$x/y", "WORKDIR /val/y"],
    ["EXPOSE $spaced", "EXPOSE one two"],
    ["VOLUME /$x $empty/y", "VOLUME /val /y"],
    ["ENV $x=$spaced q='$x'", "ENV val=one two q=$x"],
    ["COPY --chown=$x ./$x* /$x/", "COPY ./val* /val/ chown=val"],
    ["COPY --from=$x a b", "COPY a b from=$x"],
    ["RUN echo $x", "RUN echo $x"],
    ["CMD echo $x", "CMD echo $x"],
    ["ONBUILD ENV a=$x", "ONBUILD ENV a=$x"],
  ])("%s", (line, want) => {
    const node = expandLine(line);
    const flags = node.flags.map((f) => `${f.name}=${f.value}`);
    const words = (): string[] => {
      if ("value" in node) return [node.value.text];
      if ("values" in node) return node.values.map((v) => v.text);
      if ("pairs" in node) return node.pairs.map((p) => `${p.key.text}=${p.value?.text}`);
      if ("sources" in node) return [...node.sources, node.destination].map((w) => w.text);
      return [node.text.replace(/^\S+ /, "")];
    };
    expect([node.keyword, ...words(), ...flags].join(" ")).toBe(want);
  });

  test("errors name the text", () => {
    expect(() => expandLine("ENV a=${no:?gone}")).toThrow('failed to process "${no:?gone}": no: gone');
  });
});
