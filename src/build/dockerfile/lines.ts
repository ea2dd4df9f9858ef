import { failAt, failParse } from "./failure.ts";
import type { Directive, Heredoc, Span } from "./syntax.ts";
import { splitWords, unquote } from "./words.ts";

/** Where in the file a piece of a logical line comes from. `offset` counts from the logical line's start. */
interface Mark {
  offset: number;
  line: number;
  column: number;
}

/** One instruction's text with continuation lines joined, and the way back to the file's lines and columns. */
export class LogicalLine {
  constructor(
    readonly text: string,
    private readonly marks: readonly Mark[],
    readonly heredocs: readonly Heredoc[] = [],
  ) {}

  /** The file's range of `text.slice(start, end)`. */
  span(start: number, end: number): Span {
    const from = this.position(start);
    const to = this.position(Math.max(start, end - 1));
    return { line: from.line, column: from.column, endLine: to.line, endColumn: to.column + (end > start ? 1 : 0) };
  }

  /** The rest of the line from `start`, as a logical line of its own. */
  from(start: number): LogicalLine {
    const { line, column } = this.position(start);
    const rest = this.marks.filter((m) => m.offset > start).map((m) => ({ ...m, offset: m.offset - start }));
    return new LogicalLine(this.text.slice(start), [{ offset: 0, line, column }, ...rest], this.heredocs);
  }

  /** A logical line with its here-documents. */
  with(heredocs: readonly Heredoc[]): LogicalLine {
    return new LogicalLine(this.text, this.marks, heredocs);
  }

  private position(offset: number): { line: number; column: number } {
    const mark = this.marks.findLast((m) => m.offset <= offset) ?? { offset: 0, line: 1, column: 1 };
    return { line: mark.line, column: mark.column + offset - mark.offset };
  }
}

/** The file cut into logical lines. */
export interface Lines {
  escape: "\\" | "`";
  directives: Directive[];
  lines: LogicalLine[];
}

const DIRECTIVE = /^\s*#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const KNOWN_DIRECTIVES = ["escape", "syntax", "check"];
const COMMENT = /^\s*#/;
const HEREDOC_KEYWORDS = /^\s*(?:ONBUILD\s+)?(?:RUN|COPY|ADD)\s/i;

/** Cuts a Dockerfile into directives and logical lines; comments and empty lines go (Dockerfile reference, "Format"). */
export function readLines(source: string, file: string): Lines {
  const physical = source.replace(/^\uFEFF/, "").split(/\r?\n/);
  const { directives, esc } = readDirectives(physical, file);
  const lines: LogicalLine[] = [];
  let at = 0;
  while (at < physical.length) {
    const first = physical[at] ?? "";
    if (first.trim() === "" || COMMENT.test(first)) {
      at++;
      continue;
    }
    const joined = joinContinuations(physical, at, esc);
    at = joined.next;
    const opened = HEREDOC_KEYWORDS.test(joined.line.text) ? openHeredocs(joined.line.text, esc) : [];
    const heredocs: Heredoc[] = [];
    for (const doc of opened) {
      const body = readHeredoc(physical, at, doc);
      if (!body) throw failAt({ file, line: joined.line.span(0, 1).line }, `unterminated heredoc: ${doc.name}`);
      heredocs.push(Object.freeze({ name: doc.name, content: body.content, expand: doc.expand }));
      at = body.next;
    }
    lines.push(heredocs.length > 0 ? joined.line.with(heredocs) : joined.line);
  }
  return { escape: esc, directives, lines };
}

function readDirectives(physical: string[], file: string): { directives: Directive[]; esc: "\\" | "`" } {
  const directives: Directive[] = [];
  let esc: "\\" | "`" = "\\";
  for (const [i, text] of physical.entries()) {
    const match = DIRECTIVE.exec(text);
    const name = match?.[1]?.toLowerCase();
    const value = match?.[2];
    if (!name || value === undefined || !KNOWN_DIRECTIVES.includes(name)) break;
    const line = i + 1;
    if (directives.some((d) => d.name === name)) {
      throw failAt({ file, line }, `only one ${name} parser directive can be used`);
    }
    if (name === "escape") {
      if (value !== "\\" && value !== "`") {
        throw failParse(`invalid escape token '${value}' does not match \` or \\`);
      }
      esc = value;
    }
    const span = { line, column: 1, endLine: line, endColumn: text.length + 1 };
    directives.push({ name, value, span });
  }
  return { directives, esc };
}

/** Joins from line index `at`. Comments and empty lines between continued lines are left out. */
function joinContinuations(physical: string[], at: number, esc: string): { line: LogicalLine; next: number } {
  const marks: Mark[] = [];
  let text = "";
  let next = at;
  for (; next < physical.length; next++) {
    const raw = physical[next] ?? "";
    const first = next === at;
    if (!first && (COMMENT.test(raw) || raw.trim() === "")) continue;
    const indent = first ? raw.length - raw.trimStart().length : 0;
    const cut = continuationAt(raw, esc);
    marks.push({ offset: text.length, line: next + 1, column: indent + 1 });
    text += raw.slice(indent, cut ?? raw.length);
    if (cut === undefined) {
      next++;
      break;
    }
  }
  return { line: new LogicalLine(text.trimEnd(), marks), next };
}

/** Where the line's continuation mark stands, or undefined. A doubled esc character is none. */
function continuationAt(raw: string, esc: string): number | undefined {
  const end = raw.replace(/[ \t]+$/, "").length - 1;
  if (raw[end] !== esc || raw[end - 1] === esc) return undefined;
  return end;
}

interface OpenHeredoc {
  name: string;
  expand: boolean;
  chomp: boolean;
}

function openHeredocs(text: string, esc: string): OpenHeredoc[] {
  const found: OpenHeredoc[] = [];
  for (const { text: word } of splitWords(text, esc)) {
    const match = /^\d*<<(-?)([^<]+)$/.exec(word);
    const raw = match?.[2];
    if (raw === undefined) continue;
    const name = unquote(raw, esc);
    if (name !== "") found.push({ name, expand: name === raw, chomp: match?.[1] === "-" });
  }
  return found;
}

function readHeredoc(physical: string[], at: number, doc: OpenHeredoc): { content: string; next: number } | undefined {
  const body: string[] = [];
  for (let i = at; i < physical.length; i++) {
    const raw = physical[i] ?? "";
    const line = doc.chomp ? raw.replace(/^\t+/, "") : raw;
    if (line === doc.name) return { content: body.map((l) => `${l}\n`).join(""), next: i + 1 };
    body.push(line);
  }
  return undefined;
}
