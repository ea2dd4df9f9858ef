import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../spec/errors.ts";
import { MAX_DOCKERFILE, parseDockerfile, parseInstruction } from "./parse.ts";

const TESTDATA = join(import.meta.dir, "testdata");
/** `GOLDEN=write` accepts what the parser says now. */
const WRITE = process.env["GOLDEN"] === "write";

/** The tree as golden text: a span is `line:column-line:column`, empty lists go. */
function golden(source: string): string {
  let result: unknown;
  try {
    const { escape: esc, directives, instructions } = parseDockerfile(source);
    result = { escape: esc, directives, instructions };
  } catch (error) {
    result = { error: messageOf(error) };
  }
  const compact = (key: string, value: unknown): unknown => {
    if (Array.isArray(value) && value.length === 0 && key !== "args") return undefined;
    if (typeof value === "object" && value !== null && "endColumn" in value) {
      const s = value as Record<string, number>;
      return `${s["line"]}:${s["column"]}-${s["endLine"]}:${s["endColumn"]}`;
    }
    return value;
  };
  return `${JSON.stringify(result, compact, 1)}\n`;
}

describe("golden folders", () => {
  for (const name of readdirSync(TESTDATA).sort()) {
    test(name, () => {
      const got = golden(readFileSync(join(TESTDATA, name, "Dockerfile"), "utf8"));
      const file = join(TESTDATA, name, "expected.json");
      if (WRITE) writeFileSync(file, got);
      expect(got).toBe(readFileSync(file, "utf8"));
      expect(got.includes('"error"')).toBe(name.startsWith("error-"));
    });
  }
});

test("a span cuts its word out of the file", () => {
  const source = "FROM a\nCOPY --chown=app \\\n  first \\\n  second /dst\n";
  const node = parseDockerfile(source).instructions[1];
  if (node?.keyword !== "COPY") throw new Error("no COPY");
  const lines = source.split("\n");
  for (const word of [...node.sources, node.destination]) {
    const { line, column, endLine, endColumn } = word.span;
    expect(endLine).toBe(line);
    expect(lines[line - 1]?.slice(column - 1, endColumn - 1)).toBe(word.text);
  }
  expect(node.span).toEqual({ line: 2, column: 1, endLine: 4, endColumn: 14 });
});

test("the example of the demo", () => {
  const path = join(import.meta.dir, "../../../examples/memcached/Dockerfile");
  const { instructions } = parseDockerfile(readFileSync(path, "utf8"));
  expect(instructions.map((i) => i.text)).toEqual([
    "FROM debian:bookworm",
    "MAINTAINER Victor Coisne victor.coisne@dotcloud.com",
    "RUN apt-get update",
    "RUN apt-get install -y memcached",
    'ENTRYPOINT ["memcached"]',
    "USER daemon",
    "EXPOSE 11211",
  ]);
});

test("the tree is frozen to its leaves", () => {
  const { instructions } = parseDockerfile("FROM a\nENV x=y\n");
  expect(Object.isFrozen(instructions)).toBe(true);
  const env = instructions[1];
  expect(env?.keyword === "ENV" && Object.isFrozen(env.pairs[0]?.key.span)).toBe(true);
});

test("the line stands in errors", () => {
  expect(() => parseDockerfile("FROM a\nRUNN x\n", "docker/prod.Dockerfile")).toThrow(
    "dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)",
  );
});

test("a file without instructions is an empty tree", () => {
  expect(parseDockerfile("\n# only this\n").instructions).toEqual([]);
});

test("an oversized Dockerfile is refused before it is read", () => {
  expect(() => parseDockerfile("#".repeat(MAX_DOCKERFILE + 1))).toThrow(
    "dockerfile parse error on line 1: larger than",
  );
});

test("one instruction alone", () => {
  expect(parseInstruction("CMD echo", "change").keyword).toBe("CMD");
  expect(() => parseInstruction("CMD a\nRUN b", "change")).toThrow("want one instruction");
  expect(() => parseInstruction("", "change")).toThrow("want one instruction");
});

test("hostile text ends quickly", () => {
  const source = `FROM a\nENV ${"a=".repeat(50_000)}\nRUN ${"\\\n".repeat(50_000)}x\nLABEL ${'"'.repeat(99_999)}=1\n`;
  const started = performance.now();
  expect(() => parseDockerfile(source)).not.toThrow();
  expect(performance.now() - started).toBeLessThan(5000);
});
