/** What is wrong with a text that is no JSON document (RFC 8259), in the words of Go's decoder. `end` tells where the first value ends well. */
export type Scan = { end: number } | { error: string };

const ENDED = "unexpected EOF";
/** The longest nesting that is followed. */
const MAX_DEPTH = 10_000;
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** As much of a number as there is: what comes behind it is wrong. */
const PART_OF_NUMBER = /-?(?:0|[1-9]\d*)?(?:\.\d*)?(?:[eE][+-]?)?/y;
const PLAIN = /[ !#-[\]-\uffff]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

class Wrong extends Error {}

/** Reads one value from the beginning of `text`. */
export function scanJson(text: string): Scan {
  const scanner = new Scanner(text);
  try {
    scanner.value("looking for beginning of value", 0);
    return { end: scanner.at };
  } catch (error) {
    if (error instanceof Wrong) return { error: error.message };
    throw error;
  }
}

class Scanner {
  at = 0;
  constructor(private readonly text: string) {}

  value(where: string, depth: number): void {
    this.skip(SPACE);
    const first = this.text[this.at] ?? "";
    if (depth > MAX_DEPTH) throw new Wrong("exceeded max depth");
    if (first === "{") this.object(depth);
    else if (first === "[") this.array(depth);
    else if (first === '"') this.string();
    else if (/[-\d]/.test(first)) this.number();
    else if (/[tfn]/.test(first)) this.literal(first === "t" ? "true" : first === "f" ? "false" : "null");
    else throw this.unexpected(where);
  }

  private object(depth: number): void {
    if (this.opens("}")) return;
    for (;;) {
      this.skip(SPACE);
      if (this.text[this.at] !== '"') throw this.unexpected("looking for beginning of object key string");
      this.string();
      this.expect(":", "after object key");
      this.value("looking for beginning of value", depth + 1);
      if (this.expect(",}", "after object key:value pair") === "}") return;
    }
  }

  private array(depth: number): void {
    if (this.opens("]")) return;
    do this.value("looking for beginning of value", depth + 1);
    while (this.expect(",]", "after array element") === ",");
  }

  /** Steps over the bracket; true where its counterpart follows at once. */
  private opens(close: string): boolean {
    this.at++;
    this.skip(SPACE);
    if (this.text[this.at] !== close) return false;
    this.at++;
    return true;
  }

  private expect(oneOf: string, where: string): string {
    this.skip(SPACE);
    const found = this.text[this.at];
    if (found === undefined || !oneOf.includes(found)) throw this.unexpected(where);
    this.at++;
    return found;
  }

  private string(): void {
    this.at++;
    for (;;) {
      this.skip(PLAIN);
      const next = this.text[this.at];
      if (next === '"') break;
      if (next !== "\\") throw this.unexpected("in string");
      if (this.skip(ESCAPE) === 0) {
        const length = this.text[this.at + 1] === "u" ? 6 : 2;
        if (this.at + length > this.text.length) throw new Wrong(ENDED);
        throw new Wrong(`invalid escape sequence \`${this.text.slice(this.at, this.at + length)}\` in string`);
      }
    }
    this.at++;
  }

  private number(): void {
    if (this.skip(NUMBER) === 0 || /[.eE]/.test(this.text[this.at] ?? "")) {
      this.skip(PART_OF_NUMBER);
      throw this.unexpected("in numeric literal");
    }
  }

  private literal(word: string): void {
    for (const letter of word) {
      if (this.text[this.at] !== letter) throw this.unexpected(`in literal ${word} (expecting '${letter}')`);
      this.at++;
    }
  }

  private skip(pattern: RegExp): number {
    pattern.lastIndex = this.at;
    const length = pattern.exec(this.text)?.[0].length ?? 0;
    this.at += length;
    return length;
  }

  private unexpected(where: string): Wrong {
    const code = this.text.codePointAt(this.at);
    return new Wrong(code === undefined ? ENDED : `invalid character ${quoted(String.fromCodePoint(code))} ${where}`);
  }
}

function quoted(character: string): string {
  if (character === "'") return "'\\''";
  if (character === "\ufeff") return "'\\ufeff'";
  return `'${JSON.stringify(character).slice(1, -1).replace('\\"', '"')}'`;
}
