import { parseDuration } from "../../spec/duration.ts";
import { failAt, failParse } from "./failure.ts";
import type { LogicalLine } from "./lines.ts";
import type {
  Command,
  CommandNode,
  CopyNode,
  Flag,
  FromNode,
  HealthcheckNode,
  Instruction,
  Keyword,
  ListNode,
  Node,
  OnbuildNode,
  Pair,
  PairsNode,
  ShellNode,
  ValueNode,
  Word,
} from "./syntax.ts";
import { jsonStrings, type Piece, splitSpaces, splitWords } from "./words.ts";

/** A logical line whose keyword and flags are read; the arguments begin at `start`. */
export interface Cursor {
  line: LogicalLine;
  start: number;
  escape: string;
  at: { file: string; line: number };
  keyword: Keyword;
  flags: Flag[];
  /** Parses a line inside this one (ONBUILD). */
  parse: (line: LogicalLine) => Instruction;
}

type Base = Omit<Node<string>, "keyword">;
type Reader = (cursor: Cursor, base: Base) => Instruction;

/** How each instruction reads its arguments (Dockerfile reference, one section each). */
export const READERS: Record<Keyword, Reader> = {
  FROM: readFrom,
  RUN: (c, b) => readCommand(c, b, "RUN"),
  CMD: (c, b) => readCommand(c, b, "CMD"),
  ENTRYPOINT: (c, b) => readCommand(c, b, "ENTRYPOINT"),
  COPY: (c, b) => readCopy(c, b, "COPY"),
  ADD: (c, b) => readCopy(c, b, "ADD"),
  ENV: (c, b) => readPairs(c, b, "ENV"),
  LABEL: (c, b) => readPairs(c, b, "LABEL"),
  ARG: readArg,
  USER: (c, b) => readValue(c, b, "USER"),
  WORKDIR: (c, b) => readValue(c, b, "WORKDIR"),
  STOPSIGNAL: (c, b) => readValue(c, b, "STOPSIGNAL"),
  MAINTAINER: (c, b) => readValue(c, b, "MAINTAINER"),
  EXPOSE: (c, b) => readList(c, b, "EXPOSE"),
  VOLUME: (c, b) => readList(c, b, "VOLUME"),
  SHELL: readShell,
  HEALTHCHECK: readHealthcheck,
  ONBUILD: readOnbuild,
};

const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/;
const MIN_DURATION = 1e6;

function readFrom(c: Cursor, base: Base): FromNode {
  const words = splitSpaces(c.line.text, c.start).map((p) => wordOf(c, p));
  const [image, as, name] = words;
  const named = words.length === 3 && as?.text.toUpperCase() === "AS";
  if (!image || (words.length !== 1 && !named)) {
    throw failAt(c.at, "FROM requires either one or three arguments");
  }
  if (!name) return { keyword: "FROM", ...base, image };
  const stage = name.text.toLowerCase();
  if (!STAGE_NAME.test(stage)) {
    throw failAt(
      c.at,
      `invalid name for build stage: "${name.text}", name can't start with a number or contain symbols`,
    );
  }
  return { keyword: "FROM", ...base, image, name: stage };
}

function readCommand(c: Cursor, base: Base, keyword: CommandNode["keyword"]): CommandNode {
  const command = commandAt(c, c.start);
  const empty = command.form === "shell" ? command.text === "" : command.args.length === 0;
  if (empty && (keyword === "RUN" || command.form === "shell")) {
    throw failAt(c.at, `${keyword} requires at least one argument`);
  }
  return { keyword, ...base, command };
}

function commandAt(c: Cursor, start: number): Command {
  const args = jsonAt(c, start);
  return args ? { form: "exec", args } : { form: "shell", text: c.line.text.slice(start).trim() };
}

function jsonAt(c: Cursor, start: number): string[] | undefined {
  const strings = jsonStrings(c.line.text.slice(start));
  if (strings === "mixed") {
    throw failParse("when using JSON array syntax, arrays must be comprised of strings only");
  }
  return strings;
}

function readCopy(c: Cursor, base: Base, keyword: CopyNode["keyword"]): CopyNode {
  const words = listAt(c);
  const destination = words.at(-1);
  if (!destination) throw failAt(c.at, `${keyword} requires at least two arguments`);
  if (words.length === 1) {
    throw failAt(
      c.at,
      `${keyword} requires at least two arguments, but only one was provided. Destination could not be determined`,
    );
  }
  return { keyword, ...base, sources: words.slice(0, -1), destination };
}

/** A JSON array of strings, or words parted by white space. JSON strings have the whole array as their place. */
function listAt(c: Cursor): Word[] {
  const strings = jsonAt(c, c.start);
  const span = c.line.span(c.start, c.line.text.length);
  return strings ? strings.map((text) => ({ text, span })) : splitSpaces(c.line.text, c.start).map((p) => wordOf(c, p));
}

function readPairs(c: Cursor, base: Base, keyword: "ENV" | "LABEL"): PairsNode {
  const words = splitWords(c.line.text, c.escape, c.start);
  const [first, second] = words;
  if (!first) throw failAt(c.at, `${keyword} requires at least one argument`);
  if (first.text.includes("=")) {
    return { keyword, ...base, pairs: words.map((p) => pairOf(c, p, keyword)) };
  }
  if (!second) throw failParse(`${keyword} must have two arguments`);
  const value = wordOf(c, { text: c.line.text.slice(second.start), start: second.start, end: c.line.text.length });
  return { keyword, ...base, pairs: [{ key: wordOf(c, first), value }] };
}

function pairOf(c: Cursor, piece: Piece, keyword: string): Pair {
  const equals = piece.text.indexOf("=");
  if (equals < 0) {
    throw failAt(c.at, `Syntax error - can't find = in "${piece.text}". Must be of the form: name=value`);
  }
  if (equals === 0) throw failAt(c.at, `${keyword} names can not be blank`);
  const middle = piece.start + equals;
  return {
    key: wordOf(c, { text: piece.text.slice(0, equals), start: piece.start, end: middle }),
    value: wordOf(c, { text: piece.text.slice(equals + 1), start: middle + 1, end: piece.end }),
  };
}

function readArg(c: Cursor, base: Base): PairsNode {
  const words = splitWords(c.line.text, c.escape, c.start);
  if (words.length === 0) throw failAt(c.at, "ARG requires at least one argument");
  const pairs = words.map((p) => (p.text.includes("=") ? pairOf(c, p, "ARG") : { key: wordOf(c, p) }));
  return { keyword: "ARG", ...base, pairs };
}

function readValue(c: Cursor, base: Base, keyword: ValueNode["keyword"]): ValueNode {
  const text = c.line.text.slice(c.start);
  if (text === "") throw failAt(c.at, `${keyword} requires exactly one argument`);
  return { keyword, ...base, value: wordOf(c, { text, start: c.start, end: c.line.text.length }) };
}

function readList(c: Cursor, base: Base, keyword: ListNode["keyword"]): ListNode {
  const values = keyword === "VOLUME" ? listAt(c) : splitSpaces(c.line.text, c.start).map((p) => wordOf(c, p));
  if (values.length === 0) throw failAt(c.at, `${keyword} requires at least one argument`);
  if (values.some((v) => v.text.trim() === "")) throw failAt(c.at, `${keyword} specified can not be an empty string`);
  return { keyword, ...base, values };
}

function readShell(c: Cursor, base: Base): ShellNode {
  const args = jsonAt(c, c.start);
  if (!args) throw failAt(c.at, "SHELL requires the arguments to be in JSON form");
  if (args.length === 0) throw failAt(c.at, "SHELL requires at least one argument");
  return { keyword: "SHELL", ...base, args };
}

function readHealthcheck(c: Cursor, base: Base): HealthcheckNode {
  const [type] = splitSpaces(c.line.text, c.start);
  if (!type) throw failAt(c.at, "HEALTHCHECK requires at least one argument");
  const none = { interval: 0, timeout: 0, startPeriod: 0, startInterval: 0, retries: 0 };
  const word = type.text.toUpperCase();
  const rest = c.line.text.slice(type.end).trim();
  if (word === "NONE") {
    if (rest !== "" || c.flags.length > 0) throw failAt(c.at, "HEALTHCHECK NONE takes no arguments");
    return { keyword: "HEALTHCHECK", ...base, ...none };
  }
  if (word !== "CMD") throw failAt(c.at, `Unknown type "${type.text}" in HEALTHCHECK (try CMD)`);
  if (rest === "") throw failAt(c.at, "Missing command after HEALTHCHECK CMD");
  return {
    keyword: "HEALTHCHECK",
    ...base,
    command: commandAt(c, type.end),
    interval: durationFlag(c, "interval"),
    timeout: durationFlag(c, "timeout"),
    startPeriod: durationFlag(c, "start-period"),
    startInterval: durationFlag(c, "start-interval"),
    retries: retriesFlag(c),
  };
}

function durationFlag(c: Cursor, name: string): number {
  const flag = c.flags.find((f) => f.name === name);
  if (!flag) return 0;
  const value = parseDuration(flag.value);
  if (typeof value === "string") throw failAt(c.at, value);
  if (value < 0 || (value > 0 && value < MIN_DURATION)) {
    throw failAt(c.at, `Interval "${name}" cannot be less than 1ms`);
  }
  return value;
}

function retriesFlag(c: Cursor): number {
  const value = c.flags.find((f) => f.name === "retries")?.value ?? "0";
  if (!/^[0-9]{1,9}$/.test(value)) throw failAt(c.at, `--retries cannot be negative or no number: ${value}`);
  return Number(value);
}

function readOnbuild(c: Cursor, base: Base): OnbuildNode {
  if (c.start >= c.line.text.length) throw failAt(c.at, "ONBUILD requires at least one argument");
  const trigger = c.parse(c.line.from(c.start));
  if (trigger.keyword === "ONBUILD") throw failAt(c.at, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger.keyword === "FROM" || trigger.keyword === "MAINTAINER") {
    throw failAt(c.at, `${trigger.keyword} isn't allowed as an ONBUILD trigger`);
  }
  return { keyword: "ONBUILD", ...base, trigger };
}

function wordOf(c: Cursor, piece: Piece): Word {
  return { text: piece.text, span: c.line.span(piece.start, piece.end) };
}
