import { BerthError, messageOf } from "../../spec/errors.ts";
import { FUNCTIONS, TEXT_ARGUMENTS, type TemplateFunction, wrongCount } from "./functions.ts";
import { type Call, type Expr, type Node, type Pipe, parseTemplate } from "./parser.ts";
import { goType } from "./printf.ts";
import { goText, isRecord, NilOf, Row, truth } from "./values.ts";

/**
 * How a template treats what is not there: `error` is Go's missingkey=error, `key` forgives keys that a map has not, `zero` also
 * fields of nil.
 */
export type Missing = "error" | "key" | "zero";

/** How a template is read. */
export interface TemplateOptions {
  functions?: Record<string, TemplateFunction>;
  missing?: Missing;
  /** Its name in messages. */
  name?: string;
}

/** A parsed template, ready to be run on many values. */
export interface Template {
  execute(data: unknown, missing?: Missing): string;
}

/** Parses once. `execute` throws `invalid-argument`, `template: :1:…: executing …`, in Go's words. */
export function compileTemplate(source: string, options: TemplateOptions = {}): Template {
  const functions = options.functions ?? FUNCTIONS;
  const { name = "" } = options;
  const nodes = named(name, () => parseTemplate(source, new Set(Object.keys(functions))));
  return {
    execute: (data, missing = options.missing ?? "error") =>
      named(name, () => {
        const run: Run = { functions, missing, out: [], scopes: [new Map([["", data]])] };
        walk(run, nodes, data);
        return run.out.join("");
      }),
  };
}

/** Errors carry the template's name where it has one. */
function named<T>(name: string, action: () => T): T {
  if (name === "") return action();
  try {
    return action();
  } catch (error) {
    const text = messageOf(error).replace("template: :", `template: ${name}:`);
    throw new BerthError("invalid-argument", text.replace('executing ""', `executing "${name}"`), { cause: error });
  }
}

interface Run {
  functions: Record<string, TemplateFunction>;
  missing: Missing;
  out: string[];
  scopes: Map<string, unknown>[];
}

/** A value and the last field name that led to it, which tells how it prints. */
interface Found {
  value: unknown;
  name?: string;
}

type Block = Exclude<Node, { kind: "text" | "action" | "break" | "continue" }>;
type Flow = "break" | "continue" | undefined;

function failAt(at: number, why: string): never {
  throw new BerthError("invalid-argument", `template: :1:${at}: executing "" at ${why}`);
}

function walk(run: Run, nodes: Node[], dot: unknown): Flow {
  for (const node of nodes) {
    if (node.kind === "text") run.out.push(node.text);
    else if (node.kind === "action") {
      const found = evalPipe(run, node.pipe, dot);
      if (node.pipe.names.length === 0) run.out.push(goText(found.value, { top: true }));
    } else if (node.kind === "break" || node.kind === "continue") {
      return node.kind;
    } else {
      const flow = scoped(run, () => walkBlock(run, node, dot));
      if (flow) return flow;
    }
  }
  return undefined;
}

function scoped<T>(run: Run, body: () => T): T {
  run.scopes.push(new Map());
  try {
    return body();
  } finally {
    run.scopes.pop();
  }
}

function walkBlock(run: Run, node: Block, dot: unknown): Flow {
  if (node.kind === "range") return walkRange(run, node, dot);
  const { value } = evalPipe(run, node.pipe, dot);
  if (truth(value)) return walk(run, node.body, node.kind === "with" ? value : dot);
  return walk(run, node.otherwise, dot);
}

function walkRange(run: Run, node: Block, dot: unknown): Flow {
  const { names } = node.pipe;
  const { value } = evalPipe(run, { ...node.pipe, names: [] }, dot);
  const entries = entriesOf(value, node.pipe.calls[0]);
  if (entries.length === 0) return walk(run, node.otherwise, dot);
  for (const [key, item] of entries) {
    const flow = scoped(run, () => {
      const scope = run.scopes.at(-1);
      if (names.length === 1) scope?.set(names[0] ?? "", item);
      if (names.length === 2) scope?.set(names[0] ?? "", key).set(names[1] ?? "", item);
      return walk(run, node.body, item);
    });
    if (flow === "break") break;
  }
  return undefined;
}

function entriesOf(value: unknown, call: Call | undefined): [unknown, unknown][] {
  if (value === undefined || value === null || value instanceof NilOf) return [];
  if (Array.isArray(value)) return value.map((v, i) => [i, v]);
  if (typeof value === "number") return Array.from({ length: value }, (_, i) => [i, i]);
  if (!isRecord(value) || value instanceof Row)
    return failAt(call?.at ?? 0, `<${call?.text}>: range can't iterate over ${goText(value, { top: true })}`);
  return Object.keys(value)
    .sort()
    .map((key) => [key, value[key]]);
}

function evalPipe(run: Run, pipe: Pipe, dot: unknown): Found {
  let found: Found | undefined;
  for (const call of pipe.calls) found = evalCall(run, call, { dot, piped: found });
  const result = found ?? { value: undefined };
  const name = pipe.names[0];
  if (name !== undefined) setVariable(run, name, { value: result.value, assign: pipe.assign });
  return result;
}

function setVariable(run: Run, name: string, what: { value: unknown; assign: boolean }): void {
  const scope = what.assign ? run.scopes.findLast((s) => s.has(name)) : run.scopes.at(-1);
  if (!scope) failAt(0, `undefined variable: $${name}`);
  scope?.set(name, what.value);
}

function evalCall(run: Run, call: Call, from: { dot: unknown; piped: Found | undefined }): Found {
  const [first, ...rest] = call.words;
  if (!first) return { value: undefined };
  if (first.kind === "literal" || first.kind === "dot" || first.kind === "nil") {
    if (rest.length > 0 || from.piped)
      failAt(first.at, `<${first.text}>: can't give argument to non-function ${first.text}`);
    if (first.kind === "nil") failAt(first.at, "<nil>: nil is not a command");
  }
  if (first.kind === "function") return callFunction(run, first, { rest, text: call.text, ...from });
  const args = (): unknown[] => [
    ...rest.map((word) => evalOperand(run, word, { dot: from.dot, args: [] }).value),
    ...(from.piped ? [from.piped.value] : []),
  ];
  const needsArgs = rest.length > 0 || from.piped !== undefined;
  return evalOperand(run, first, { dot: from.dot, args: needsArgs ? args() : [] });
}

function callFunction(
  run: Run,
  word: { name: string; at: number },
  from: { rest: Expr[]; text: string; dot: unknown; piped: Found | undefined },
): Found {
  const stops = word.name === "and" ? (v: unknown) => !truth(v) : word.name === "or" ? truth : undefined;
  const args: unknown[] = [];
  const why = wrongCount(word.name, from.rest.length + (from.piped ? 1 : 0));
  if (why) failAt(word.at, `<${word.name}>: ${why}`);
  for (const [i, expr] of from.rest.entries()) {
    const { value } = evalOperand(run, expr, { dot: from.dot, args: [] });
    if (stops?.(value)) return { value };
    if (TEXT_ARGUMENTS[word.name]?.includes(i)) checkText(expr, value);
    // A table's header is made by functions of its own, from titles.
    if (word.name === "join" && i === 0 && run.functions["join"] === FUNCTIONS["join"]) checkList(expr, value);
    args.push(value);
  }
  if (from.piped) args.push(from.piped.value);
  try {
    return { value: run.functions[word.name]?.(...args) };
  } catch (error) {
    return failAt(word.at, `<${from.text}>: error calling ${word.name}: ${messageOf(error)}`);
  }
}

/** Fields of rows are always text in Docker, whatever Berth keeps them as. */
function checkText(expr: Expr, value: unknown): void {
  if (typeof value === "string" || value === undefined) return;
  if (expr.kind === "literal") failAt(expr.at, `<${expr.text}>: expected string; found ${expr.text}`);
  if (expr.kind !== "field" || !(Array.isArray(value) || typeof value === "boolean")) return;
  const shown = `<.${expr.names.join(".")}>`;
  failAt(expr.at, `${shown}: wrong type for value; expected string; got ${goType(value)}`);
}

function checkList(expr: Expr, value: unknown): void {
  if (expr.kind !== "field" || !["string", "number", "boolean"].includes(typeof value)) return;
  const shown = `<.${expr.names.join(".")}>`;
  failAt(expr.at, `${shown}: wrong type for value; expected []string; got ${goType(value)}`);
}

function evalOperand(run: Run, expr: Expr, from: { dot: unknown; args: unknown[] }): Found {
  switch (expr.kind) {
    case "literal":
      return { value: expr.value };
    case "nil":
      return { value: null };
    case "dot":
      return { value: from.dot };
    case "function":
      return callFunction(run, expr, { rest: [], text: expr.name, dot: from.dot, piped: undefined });
    case "variable": {
      const scope = run.scopes.findLast((s) => s.has(expr.name));
      if (!scope) return failAt(expr.at, `undefined variable: $${expr.name}`);
      return follow(run, { value: scope.get(expr.name), names: expr.names, at: expr.at, args: from.args });
    }
    case "pipe": {
      const { value } = evalPipe(run, expr.pipe, from.dot);
      return follow(run, { value, names: expr.names, at: expr.at, args: from.args });
    }
    default:
      return follow(run, { value: from.dot, names: expr.names, at: expr.at, args: from.args });
  }
}

function follow(run: Run, path: { value: unknown; names: string[]; at: number; args: unknown[] }): Found {
  let value = path.value;
  for (const [i, name] of path.names.entries()) {
    const last = i === path.names.length - 1;
    value = member(run, value, { name, at: path.at, args: last ? path.args : [], chain: path.names });
  }
  const name = path.names.at(-1);
  return name === undefined ? { value } : { value, name };
}

function member(
  run: Run,
  value: unknown,
  want: { name: string; at: number; args: unknown[]; chain: string[] },
): unknown {
  const shown = `<.${want.chain.join(".")}>`;
  if (value instanceof Row) {
    const field = value.fields[want.name];
    if (field === undefined)
      return failAt(want.at, `${shown}: can't evaluate field ${want.name} in type ${value.type}`);
    if (typeof field === "function") {
      const { length } = want.args;
      if (length !== field.length)
        failAt(want.at, `${shown}: wrong number of args for ${want.name}: want ${field.length} got ${length}`);
      return field(...want.args);
    }
    if (want.args.length > 0) failAt(want.at, `${shown}: ${want.name} has arguments but cannot be invoked as function`);
    return field;
  }
  if (value === undefined || value === null || value instanceof NilOf) {
    return run.missing === "zero"
      ? undefined
      : failAt(want.at, `${shown}: nil pointer evaluating interface {}.${want.name}`);
  }
  if (!isRecord(value)) return failAt(want.at, `${shown}: can't evaluate field ${want.name} in type interface {}`);
  if (want.args.length > 0) failAt(want.at, `${shown}: ${want.name} is not a method but has arguments`);
  const found = Object.hasOwn(value, want.name) ? value[want.name] : undefined;
  if (found === undefined) {
    return run.missing !== "error"
      ? undefined
      : failAt(want.at, `${shown}: map has no entry for key ${JSON.stringify(want.name)}`);
  }
  return found;
}
