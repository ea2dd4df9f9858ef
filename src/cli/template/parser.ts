import { lex, type Piece, syntaxError, type Token } from "./lexer.ts";

/** An operand or call. `chain` are the field names behind it: `$x.A.B`, `(f).C`. */
export type Expr =
  | { kind: "dot" | "nil"; at: number; text: string }
  | { kind: "field"; names: string[]; at: number }
  | { kind: "variable"; name: string; names: string[]; at: number }
  | { kind: "literal"; value: string | number | boolean; at: number; text: string }
  | { kind: "function"; name: string; at: number }
  | { kind: "pipe"; pipe: Pipe; names: string[]; at: number };

/** `a b c`: the first word is called with the others. */
export interface Call {
  words: Expr[];
  at: number;
  /** As it is written. */
  text: string;
}

/** `$x := call | call`. `names` are the variables that get its value (or index and element, in range). */
export interface Pipe {
  names: string[];
  assign: boolean;
  calls: Call[];
}

/** A node of the frozen syntax tree. */
export type Node =
  | { kind: "text"; text: string }
  | { kind: "action"; pipe: Pipe }
  | { kind: "if" | "with" | "range"; pipe: Pipe; body: Node[]; otherwise: Node[] }
  | { kind: "break" }
  | { kind: "continue" };

const KEYWORDS = new Set(["if", "with", "range", "else", "end", "break", "continue", "define", "template", "block"]);

/** Parses Go's text/template without named templates. `functions` are the names that may be called. Throws `invalid-argument`. */
export function parseTemplate(source: string, functions: ReadonlySet<string>): Node[] {
  const state: State = { source, pieces: lex(source), at: 0, functions, variables: [""], ranges: 0 };
  const { nodes, end } = parseList(state);
  if (end) throw syntaxError(`unexpected {{${end.word}}}`);
  return nodes;
}

interface State {
  source: string;
  /** Names that are known here; blocks forget theirs at their end. */
  variables: string[];
  pieces: Piece[];
  at: number;
  /** How many ranges are open here. */
  ranges: number;
  functions: ReadonlySet<string>;
}

interface Ending {
  word: "end" | "else";
  tokens: Token[];
}

function parseList(state: State): { nodes: Node[]; end?: Ending } {
  const nodes: Node[] = [];
  for (let piece = state.pieces[state.at++]; piece; piece = state.pieces[state.at++]) {
    if ("text" in piece) {
      nodes.push({ kind: "text", text: piece.text });
      continue;
    }
    const [first, ...rest] = piece.tokens;
    const word = first?.kind === "word" && KEYWORDS.has(first.text) ? first.text : "";
    const [extra] = rest;
    if (word === "end" && extra) throw syntaxError(`unexpected ${quoted(state, extra)} in end`);
    if (word === "end" || word === "else") return { nodes, end: { word, tokens: rest } };
    if (word === "if" || word === "with" || word === "range") nodes.push(parseBlock(state, word, rest));
    else if (word === "break" || word === "continue") {
      if (state.ranges === 0) throw syntaxError(`{{${word}}} outside {{range}}`);
      nodes.push({ kind: word });
    } else if (word !== "") throw syntaxError(`{{${word}}} is not supported`);
    else nodes.push({ kind: "action", pipe: parsePipe({ tokens: piece.tokens, at: 0, state }) });
  }
  return { nodes };
}

const quoted = (state: State, token: Token): string => JSON.stringify(state.source.slice(token.at, token.end));

function parseBlock(state: State, kind: "if" | "with" | "range", tokens: Token[]): Node {
  if (tokens.length === 0) throw syntaxError(`missing value for ${kind}`);
  const known = [...state.variables];
  const pipe = parsePipe({ tokens, at: 0, state, most: kind === "range" ? 2 : 1, where: kind });
  if (kind === "range") state.ranges++;
  const { nodes: body, end } = parseList(state);
  if (kind === "range") state.ranges--;
  if (!end) throw syntaxError("unexpected EOF");
  const otherwise = end.word === "end" ? [] : parseElse(state, end.tokens);
  state.variables = known;
  return { kind, pipe, body, otherwise };
}

function parseElse(state: State, tokens: Token[]): Node[] {
  const [chained, ...rest] = tokens;
  if (chained?.kind === "word" && (chained.text === "if" || chained.text === "with")) {
    return [parseBlock(state, chained.text, rest)];
  }
  const last = parseList(state);
  if (last.end?.word !== "end") throw syntaxError(last.end ? "expected end; found {{else}}" : "unexpected EOF");
  return last.nodes;
}

interface Reader {
  tokens: Token[];
  at: number;
  state: State;
  /** How many variables may be declared, and in what. */
  most?: number;
  where?: string;
  /** Within parentheses. */
  inside?: boolean;
}

function isPunct(token: Token | undefined, text: string): boolean {
  return token?.kind === "punct" && token.text === text;
}

function parsePipe(reader: Reader): Pipe {
  const { names, assign } = parseDeclaration(reader);
  if (!assign) reader.state.variables.push(...names);
  const calls: Call[] = [parseCall(reader)];
  while (isPunct(reader.tokens[reader.at], "|")) {
    reader.at++;
    // Go passes over a pipe's last bar with nothing behind it.
    if (!reader.tokens[reader.at]) break;
    const call = parseCall(reader);
    const [first] = call.words;
    if (first && (first.kind === "literal" || first.kind === "nil" || first.kind === "dot"))
      throw syntaxError(`non executable command in pipeline stage ${calls.length + 1}`);
    calls.push(call);
  }
  if (isPunct(reader.tokens[reader.at], ")") && !reader.inside) throw syntaxError("unexpected right paren");
  return { names, assign, calls };
}

function parseDeclaration(reader: Reader): { names: string[]; assign: boolean } {
  const [a, b, c, d] = reader.tokens.slice(reader.at, reader.at + 4);
  if (a?.kind !== "variable") return { names: [], assign: false };
  const tooMany = isPunct(b, ",") && c?.kind === "variable" && (reader.most ?? 1) < (isPunct(d, ",") ? 3 : 2);
  if (tooMany) throw syntaxError(`too many declarations in ${reader.where ?? "command"}`);
  const known = (token: Token): string => {
    if (!reader.state.variables.includes(token.text)) throw syntaxError(`undefined variable "$${token.text}"`);
    return token.text;
  };
  if (isPunct(b, ":=") || isPunct(b, "=")) {
    reader.at += 2;
    return isPunct(b, "=") ? { names: [known(a)], assign: true } : { names: [a.text], assign: false };
  }
  if (isPunct(b, ",") && c?.kind === "variable" && (isPunct(d, ":=") || isPunct(d, "="))) {
    reader.at += 4;
    return isPunct(d, "=") ? { names: [known(a), known(c)], assign: true } : { names: [a.text, c.text], assign: false };
  }
  return { names: [], assign: false };
}

function parseCall(reader: Reader): Call {
  const words: Expr[] = [];
  const at = reader.tokens[reader.at]?.at ?? 0;
  for (let token = reader.tokens[reader.at]; token; token = reader.tokens[reader.at]) {
    if (isPunct(token, "|") || isPunct(token, ")")) break;
    if (words.length > 0 && !token.spaced && token.kind !== "punct" && token.kind !== "field")
      throw syntaxError(`unexpected ${quoted(reader.state, token)} in operand`);
    words.push(parseOperand(reader, token));
  }
  if (words.length === 0) {
    const bar = isPunct(reader.tokens[reader.at], "|");
    throw syntaxError(bar ? 'unexpected "|" in command' : "missing value for command");
  }
  const end = reader.tokens[reader.at - 1]?.end ?? at;
  return { words, at, text: reader.state.source.slice(at, end) };
}

function parseOperand(reader: Reader, token: Token): Expr {
  reader.at++;
  const next = reader.tokens[reader.at];
  const shown = { at: token.at, text: reader.state.source.slice(token.at, token.end) };
  const isValue = isPunct(token, ".") || token.kind === "word" || token.kind === "string" || token.kind === "number";
  if (isValue && next?.kind === "field" && !next.spaced && !reader.state.functions.has(token.text))
    throw syntaxError(`unexpected . after term ${JSON.stringify(shown.text)}`);
  switch (token.kind) {
    case "field": {
      const chain = parseChain(reader);
      // Go places a chain of fields at its second one.
      return {
        kind: "field",
        names: [token.text, ...chain],
        at: token.at + (chain.length > 0 ? token.text.length + 1 : 0),
      };
    }
    case "variable":
      if (!reader.state.variables.includes(token.text)) throw syntaxError(`undefined variable "$${token.text}"`);
      return { kind: "variable", name: token.text, names: parseChain(reader), at: token.at };
    case "string":
      return { kind: "literal", value: token.text, ...shown };
    case "number":
    case "char":
      return { kind: "literal", value: Number(token.text), ...shown };
    case "word":
      return parseWord(reader, token);
    default:
      return parsePunct(reader, token);
  }
}

function parseWord(reader: Reader, token: Token): Expr {
  const shown = { at: token.at, text: token.text };
  if (token.text === "true" || token.text === "false")
    return { kind: "literal", value: token.text === "true", ...shown };
  if (token.text === "nil") return { kind: "nil", ...shown };
  if (!reader.state.functions.has(token.text)) throw syntaxError(`function ${JSON.stringify(token.text)} not defined`);
  return { kind: "function", name: token.text, at: token.at };
}

function parsePunct(reader: Reader, token: Token): Expr {
  if (token.text === ".") {
    const before = reader.tokens[reader.at - 2];
    if (before?.kind === "field" && !token.spaced) throw syntaxError("unexpected <.> in operand");
    return { kind: "dot", at: token.at, text: "." };
  }
  if (token.text !== "(") throw syntaxError(`unexpected ${JSON.stringify(token.text)} in operand`);
  if (isPunct(reader.tokens[reader.at], ")")) throw syntaxError("missing value for parenthesized pipeline");
  const outer = reader.inside ?? false;
  reader.inside = true;
  const pipe = parsePipe(reader);
  reader.inside = outer;
  if (!isPunct(reader.tokens[reader.at], ")")) throw syntaxError("unclosed left paren");
  reader.at++;
  return { kind: "pipe", pipe, names: parseChain(reader), at: token.at };
}

function parseChain(reader: Reader): string[] {
  const names: string[] = [];
  for (
    let token = reader.tokens[reader.at];
    token?.kind === "field" && !token.spaced;
    token = reader.tokens[reader.at]
  ) {
    names.push(token.text);
    reader.at++;
  }
  return names;
}
