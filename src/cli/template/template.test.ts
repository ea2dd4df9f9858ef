import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../spec/errors.ts";
import { compileTemplate } from "./execute.ts";
import { goJson, HEADER_FUNCTIONS } from "./functions.ts";
import { inspected } from "./inspected.ts";
import { NilOf, Row } from "./values.ts";

interface Golden {
  data: unknown;
  cases: { template: string; output: string; error: string; code: number }[];
}

/** Recorded from `docker inspect -f TEMPLATE` of one container, whose inspect answer is `data`. */
const GOLDEN: Golden = JSON.parse(readFileSync(join(import.meta.dir, "golden/inspect.json"), "utf8"));

function run(template: string, data: unknown, structOnly = false): { output: string; error: string } {
  try {
    return { output: `${inspected(compileTemplate(template), data, structOnly)}\n`, error: "" };
  } catch (error) {
    return { output: "", error: `template parsing error: ${messageOf(error)}` };
  }
}

for (const { template, output, error } of GOLDEN.cases) {
  test(`docker inspect -f '${template}'`, () => {
    const result = run(template, GOLDEN.data);
    expect(result.error).toBe(error);
    if (error === "") expect(result.output).toBe(output);
  });
}

/** More of the same: a line each, `output` or `error`. */
const WORDS: { template: string; output?: string; error?: string }[] = readFileSync(
  join(import.meta.dir, "testdata/inspect.jsonl"),
  "utf8",
)
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));

test.each(WORDS.map((line): [string, typeof line] => [JSON.stringify(line.template), line]))(
  "docker inspect -f %s",
  (_, { template, output = "", error = "" }) => {
    expect(run(template, GOLDEN.data)).toEqual({ output, error });
  },
);

test("what Berth's templates leave out is said", () => {
  for (const word of ["define", "block", "template"])
    expect(run(`{{${word} "x"}}`, {}).error).toEndWith(`{{${word}}} is not supported`);
  expect(run("{{call .Name}}", {}).error).toEndWith('function "call" not defined');
});

test("printf: flags, widths, and what does not fit its verb", () => {
  const cases: [string, string][] = [
    ['"%05.1f|%+.1e|%6d|%-4dx" 3.14159 1500.0 -7 7', "003.1|+1.5e+03|    -7|7   x"],
    ['"%s %d %t" true "x" 1', "%!s(bool=true) %!d(string=x) %!t(int=1)"],
    ['"%x %X %q" "az" "az" "a\\"b"', '617a 617A "a\\"b"'],
    ['"100%"', "100%!(NOVERB)"],
    ['"%v" .list', "[1 2]"],
    ['"%s|%v" nil .none', "%!s(<nil>)|<nil>"],
    ['"%05d|%05d" -12 12', "-0012|00012"],
  ];
  for (const [args, want] of cases)
    expect(run(`{{printf ${args}}}`, { list: [1, 2], none: null }).output).toBe(`${want}\n`);
});

test("a row's fields may be computed, take arguments, and are JSON by name", () => {
  const row = new Row({ Name: "x", ID: "<1>", Label: (key: unknown) => `label ${key}`, Platform: null });
  expect(run('{{.ID}} {{.Label "a"}} {{.Name | upper}}', row).output).toBe("<1> label a X\n");
  expect(run("{{json .}}", row).output).toBe('{"ID":"\\u003c1\\u003e","Name":"x","Platform":null}\n');
  expect(run("{{.Nope}}", row).error).toContain("can't evaluate field Nope");
});

test("missing fields may be nothing instead of an error", () => {
  const template = compileTemplate("{{.a.b.c}}|{{if .x}}y{{else}}n{{end}}", { missing: "zero" });
  expect(template.execute({ a: {} })).toBe("<no value>|n");
});

test("functions that would change a column's title leave it whole in a table's header", () => {
  const header = compileTemplate('{{json .Name}}{{truncate .ID 3}}{{join .Name "/"}}', { functions: HEADER_FUNCTIONS });
  expect(header.execute(new Row({ Name: "NAMES", ID: "CONTAINER ID" }))).toBe("NAMESCONTAINER IDNAMES");
});

test("the prototype of objects is not reachable", () => {
  expect(run("{{.constructor}}", {}).error).toContain('map has no entry for key "constructor"');
  expect(run('{{index . "__proto__"}}', { a: 1 }).output).toBe("<no value>\n");
});

test("a nil prints as its Go type, and is JSON null", () => {
  const data = { HostConfig: {}, Config: { Cmd: null, Labels: null } };
  expect(run("{{.Config.Cmd}} {{.Config.Labels}} {{.Config.Healthcheck}}", data).output).toBe("[] map[] <nil>\n");
  expect(run("{{.a}} {{.b}}", { a: null, b: [null] }).output).toBe("<no value> [<nil>]\n");
  expect(goJson(new NilOf("map"))).toBe("null");
});

test("numbers beyond JavaScript's exact range print all their digits", () => {
  expect(run("{{.n}}", { n: 1764111701535054708n }).output).toBe("1764111701535054708\n");
});

test("nested blocks keep their variables to themselves", () => {
  expect(run("{{$a := 1}}{{if true}}{{$a := 2}}{{$a}}{{end}}{{$a}}", {}).output).toBe("21\n");
  expect(run("{{$a := 1}}{{range .l}}{{$a = .}}{{end}}{{$a}}", { l: [5, 6] }).output).toBe("6\n");
  expect(run("{{if true}}{{$b := 1}}{{end}}{{$b}}", {}).error).toContain('undefined variable "$b"');
});

/** Recorded as `inspect.json`, of one thing of each kind. */
const KINDS: Record<string, Golden> = JSON.parse(readFileSync(join(import.meta.dir, "golden/structs.json"), "utf8"));

/** Go prints addresses of what pointers point to. */
const withoutAddresses = (text: string): string => text.replace(/\b0xc[0-9a-f]+/g, "0xc");

for (const [kind, { data, cases }] of Object.entries(KINDS)) {
  for (const { template, output, error } of cases) {
    test(`docker ${kind} inspect -f '${template}'`, () => {
      const result = run(template, data, kind === "volume");
      expect(result.error).toBe(error);
      if (error === "") expect(withoutAddresses(result.output)).toBe(withoutAddresses(output));
    });
  }
}
