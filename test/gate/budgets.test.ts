import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import ts from "typescript";

const ROOT = join(import.meta.dir, "../..");
const MAX_FILE = 400;
const MAX_FUNCTION = 60;
const MAX_METHODS = 25;

/** STYLE.md, "Budgets that CI checks": code of the product; tests have a budget of their own by being beside it. */
function sources(): { file: string; text: string; ast: ts.SourceFile }[] {
  return [...new Glob("{src,tools}/**/*.ts").scanSync(ROOT)]
    .filter((f) => !f.endsWith(".test.ts"))
    .sort()
    .map((file) => {
      const text = readFileSync(join(ROOT, file), "utf8");
      return { file, text, ast: ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true) };
    });
}

const FILES = sources();
const generated = (text: string): boolean => text.startsWith("// Generated");

function walk(node: ts.Node, visit: (n: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

function linesOf(node: ts.Node, ast: ts.SourceFile): number {
  const line = (pos: number): number => ast.getLineAndCharacterOfPosition(pos).line;
  return line(node.end) - line(node.getStart(ast)) + 1;
}

test(`files have at most ${MAX_FILE} lines`, () => {
  const bad = FILES.filter((f) => !generated(f.text) && f.text.split("\n").length - 1 > MAX_FILE).map((f) => f.file);
  expect(bad).toEqual([]);
});

test(`functions have at most ${MAX_FUNCTION} lines`, () => {
  const bad: string[] = [];
  for (const { file, ast } of FILES) {
    walk(ast, (n) => {
      if (!ts.isFunctionLike(n) || !("body" in n) || !n.body) return;
      const lines = linesOf(n, ast);
      if (lines > MAX_FUNCTION)
        bad.push(`${file}:${ast.getLineAndCharacterOfPosition(n.getStart(ast)).line + 1} ${lines} lines`);
    });
  }
  expect(bad).toEqual([]);
});

test(`types have at most ${MAX_METHODS} methods`, () => {
  const bad: string[] = [];
  for (const { file, ast } of FILES) {
    walk(ast, (n) => {
      if (!ts.isClassLike(n) && !ts.isInterfaceDeclaration(n)) return;
      const methods = [...n.members].filter((m) => ts.isMethodDeclaration(m) || ts.isMethodSignature(m)).length;
      if (methods > MAX_METHODS) bad.push(`${file} ${n.name?.text ?? "?"} ${methods}`);
    });
  }
  expect(bad).toEqual([]);
});

function isExported(s: ts.Statement): boolean {
  return ts.canHaveModifiers(s) && (ts.getModifiers(s) ?? []).some((m) => m.kind === ts.SyntaxKind.ExportKeyword);
}

test("every exported thing has a docstring", () => {
  const bad: string[] = [];
  for (const { file, text, ast } of FILES) {
    if (!file.startsWith("src/") || generated(text)) continue;
    for (const s of ast.statements) {
      if (!isExported(s) || text.slice(s.pos, s.getStart(ast)).includes("/**")) continue;
      bad.push(`${file}:${ast.getLineAndCharacterOfPosition(s.getStart(ast)).line + 1}`);
    }
  }
  expect(bad).toEqual([]);
});

test("at most four positional parameters in exported functions", () => {
  const bad: string[] = [];
  for (const { file, ast } of FILES) {
    for (const s of ast.statements) {
      if (ts.isFunctionDeclaration(s) && isExported(s) && s.parameters.length > 4) bad.push(`${file} ${s.name?.text}`);
    }
  }
  expect(bad).toEqual([]);
});

test("no untyped holes", () => {
  const bad: string[] = [];
  for (const { file, text, ast } of FILES) {
    if (/@ts-(ignore|nocheck|expect-error)/.test(text)) bad.push(`${file} @ts-…`);
    walk(ast, (n) => {
      if (n.kind === ts.SyntaxKind.AnyKeyword)
        bad.push(`${file}:${ast.getLineAndCharacterOfPosition(n.pos).line + 1} any`);
    });
  }
  expect(bad).toEqual([]);
});

/** Lines of the files that match, below src, test and tools. */
function linesUnder(pattern: string, keep: (file: string) => boolean): number {
  const files = [...new Glob(pattern).scanSync({ cwd: ROOT, onlyFiles: true })].filter(keep);
  return files.reduce((sum, file) => sum + readFileSync(join(ROOT, file), "latin1").split("\n").length - 1, 0);
}

test("tests, with their golden cases, have at least as many lines as the code", () => {
  const isTest = (f: string): boolean => f.endsWith(".test.ts") || /^(src\/testing|test)\//.test(f);
  const isCase = (f: string): boolean => /\/(golden|testdata)\//.test(f);
  const code = linesUnder("{src,tools}/**/*.ts", (f) => !isTest(f) && !generated(readFileSync(join(ROOT, f), "utf8")));
  const tests = linesUnder("{src,test}/**/*.ts", (f) => f.endsWith(".test.ts") && !isCase(f));
  const cases = linesUnder("{src,test}/**/{golden,testdata}/**/*", (f) => !f.endsWith(".test.ts"));
  expect((tests + cases) / code).toBeGreaterThanOrEqual(1);
});
