import { isSpace } from "./words.ts";

/** Looks a variable up: its value, or undefined where it is not set. */
export type Lookup = (name: string) => string | undefined;

/** How to expand. */
export interface ExpandOptions {
  lookup: Lookup;
  /** The escape character, `\` by default. */
  escape?: string;
  /** The text is a here-document: quotes stay, and the escape character counts only before `$` and itself. */
  document?: boolean;
}

const NAME = /^(?:[a-zA-Z_][a-zA-Z0-9_]*|[0-9@*#?!$-])/;

/**
 * Expands `$x` and `${x…}` in one word and removes its quotes and escapes, as Docker does in instructions (Dockerfile reference, "Environment
 * replacement"): modifiers `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` `//`. Single quotes keep their content. Throws a plain Error with
 * Docker's words; the caller adds the place.
 */
export function expandWord(word: string, options: ExpandOptions): string {
  return new Expander(word, options).run().join("");
}

/** As `expandWord`, but white space outside quotes, also from a variable's value, parts the result into words. */
export function expandWords(word: string, options: ExpandOptions): string[] {
  return new Expander(word, options).run(true);
}

class Expander {
  private at = 0;
  private readonly escape: string;
  private readonly words: string[] = [];
  private current = "";
  private open = false;

  constructor(
    private readonly text: string,
    private readonly options: ExpandOptions,
  ) {
    this.escape = options.escape ?? "\\";
  }

  run(split = false): string[] {
    while (this.at < this.text.length) {
      const c = this.text[this.at] ?? "";
      const quoting = !this.options.document;
      if (quoting && c === "'") this.add(this.singleQuoted());
      else if (quoting && c === '"') this.add(this.doubleQuoted());
      else if (c === "$") this.addUnquoted(this.variable(), split);
      else if (c === this.escape) this.escaped();
      else {
        this.at++;
        this.addUnquoted(c, split);
      }
    }
    this.close();
    return this.words;
  }

  private add(text: string): void {
    this.current += text;
    this.open = true;
  }

  private addUnquoted(text: string, split: boolean): void {
    if (!split) {
      if (text !== "") this.add(text);
      return;
    }
    for (const c of text) {
      if (isSpace(c)) this.close();
      else this.add(c);
    }
  }

  private close(): void {
    if (this.open) this.words.push(this.current);
    this.current = "";
    this.open = false;
  }

  private escaped(): void {
    const next = this.text[this.at + 1] ?? this.escape;
    const kept = this.options.document && next !== "$" && next !== this.escape;
    this.add(kept ? this.escape + next : next);
    this.at += 2;
  }

  private singleQuoted(): string {
    const end = this.text.indexOf("'", this.at + 1);
    if (end < 0) throw new Error("unexpected end of statement while looking for matching single-quote");
    const inner = this.text.slice(this.at + 1, end);
    this.at = end + 1;
    return inner;
  }

  private doubleQuoted(): string {
    let out = "";
    this.at++;
    while (this.at < this.text.length) {
      const c = this.text[this.at] ?? "";
      if (c === '"') {
        this.at++;
        return out;
      }
      if (c === "$") out += this.variable();
      else if (c === this.escape) {
        const next = this.text[this.at + 1] ?? "";
        out += next === '"' || next === "$" || next === this.escape ? next : c + next;
        this.at += 2;
      } else {
        out += c;
        this.at++;
      }
    }
    throw new Error("unexpected end of statement while looking for matching double-quote");
  }

  private variable(): string {
    this.at++;
    if (this.text[this.at] === "{") return this.braced();
    const name = NAME.exec(this.text.slice(this.at))?.[0];
    if (!name) return "$";
    this.at += name.length;
    return this.options.lookup(name) ?? "";
  }

  private braced(): string {
    this.at++;
    const name = NAME.exec(this.text.slice(this.at))?.[0];
    if (!name) throw new Error("syntax error: bad substitution");
    this.at += name.length;
    if (this.text[this.at] === "}") {
      this.at++;
      return this.options.lookup(name) ?? "";
    }
    const operator = /^(?::?[-+?]|##?|%%?|\/\/?)/.exec(this.text.slice(this.at))?.[0];
    if (!operator) {
      const c = this.text[this.at];
      throw new Error(c === undefined ? "syntax error: missing '}'" : `unsupported modifier (${c}) in substitution`);
    }
    this.at += operator.length;
    const value = this.options.lookup(name);
    if (operator.startsWith("/")) return this.replaced(value ?? "", operator === "//");
    const trims = operator.startsWith("#") || operator.startsWith("%");
    const word = this.operand("}", trims);
    return trims ? trimmed(value ?? "", operator, word) : chosen(name, value, { operator, word });
  }

  /** The modifier's word up to `stop`, expanded; `stop` is consumed. A `pattern` keeps its escapes, written with a backslash. */
  private operand(stop: string, pattern = false): string {
    let out = "";
    while (this.at < this.text.length) {
      const c = this.text[this.at] ?? "";
      if (c === stop) {
        this.at++;
        return out;
      }
      if (c === "'") out += this.singleQuoted();
      else if (c === '"') out += this.doubleQuoted();
      else if (c === "$") out += this.variable();
      else if (c === this.escape) {
        out += (pattern ? "\\" : "") + (this.text[this.at + 1] ?? "");
        this.at += 2;
      } else {
        out += c;
        this.at++;
      }
    }
    throw new Error(`syntax error: missing '${stop}' in substitution`);
  }

  private replaced(value: string, all: boolean): string {
    const pattern = this.operand("/", true);
    const replacement = this.operand("}");
    const regex = new RegExp(globSource(pattern, true), all ? "gsu" : "su");
    return value.replace(regex, () => replacement);
  }
}

function chosen(name: string, value: string | undefined, how: { operator: string; word: string }): string {
  const colon = how.operator.startsWith(":");
  const present = value !== undefined && !(colon && value === "");
  switch (how.operator.at(-1)) {
    case "-":
      return present ? value : how.word;
    case "+":
      return present ? how.word : "";
    default:
      if (present) return value;
      throw new Error(`${name}: ${how.word || (colon ? "not set or empty" : "not set")}`);
  }
}

function trimmed(value: string, operator: string, pattern: string): string {
  const greedy = operator.length === 2;
  const source = globSource(pattern, greedy);
  if (operator.startsWith("#")) return value.replace(new RegExp(`^(?:${source})`, "su"), "");
  const whole = new RegExp(`^(?:${source})$`, "su");
  const starts = Array.from({ length: value.length + 1 }, (_, i) => i);
  const start = (greedy ? starts : starts.reverse()).find((i) => whole.test(value.slice(i)));
  return start === undefined ? value : value.slice(0, start);
}

/** `*` and `?` of a shell pattern as a regular expression; a backslash keeps the next character. */
function globSource(pattern: string, greedy: boolean): string {
  return pattern.replace(/\\?[\s\S]/gu, (c) => {
    if (c === "*") return greedy ? ".*" : ".*?";
    if (c === "?") return ".";
    return (c.length > 1 && c.startsWith("\\") ? c.slice(1) : c).replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&");
  });
}
