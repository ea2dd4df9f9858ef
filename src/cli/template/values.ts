/** What a row is where it is not a plain line of a listing. */
export interface RowShape {
  /** Go's name of the type, in messages. */
  type?: string;
  /** What it is as JSON, where that is not its fields by name. */
  json?: unknown;
  /** How it prints, where that is not its sorted fields. */
  text?: () => string;
}

/** An object whose fields are computed when a template asks: one line of `ps`, of `images`, … Functions take arguments. */
export class Row {
  constructor(
    readonly fields: Record<string, unknown>,
    private readonly shape: RowShape = {},
  ) {}

  /** Its Go type, for messages about fields that it has not. */
  get type(): string {
    return this.shape.type ?? "*formatter.Context";
  }

  /** Docker prints rows as JSON by field name; fields that need an argument are left out. */
  toJSON(): unknown {
    return this.shape.json ?? this.plain();
  }

  /** True for a Go struct; others are one line of a listing. */
  get isStruct(): boolean {
    return this.shape.text !== undefined;
  }

  /** How Go prints it. */
  text(): string {
    if (this.shape.text) return this.shape.text();
    const members = Object.values(this.plain()).map((v) => goText(v));
    return `{${members.join(" ")}}`;
  }

  /** Its fields by name, sorted, without those that need an argument. */
  plain(): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    for (const key of Object.keys(this.fields).sort()) {
      const value = this.fields[key];
      if (typeof value !== "function") out[key] = value;
    }
    return out;
  }
}

/** A nil whose Go type is known: prints as an empty map or list, is JSON null, is false. */
export class NilOf {
  constructor(readonly shape: "map" | "list" | "pointer") {}

  toJSON(): null {
    return null;
  }
}

/** A value that prints in words of its own: a time, a duration. */
export class Spoken {
  constructor(
    readonly text: string,
    private readonly json: unknown,
  ) {}

  toJSON(): unknown {
    return this.json;
  }
}

/** True for anything with named members. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Go's truth: empty strings, lists and maps, zero, false and nil are false. */
export function truth(value: unknown): boolean {
  if (value === undefined || value === null || value instanceof NilOf) return false;
  if (Array.isArray(value) || typeof value === "string") return value.length > 0;
  if (value instanceof Row) return true;
  return isRecord(value) ? Object.keys(value).length > 0 : Boolean(value);
}

/** Go's `%v`. What came as JSON and has no Go type prints as Go's decoder keeps it: objects are maps. `top`: it stands alone. */
export function goText(value: unknown, options: { top?: boolean } = {}): string {
  if (value === undefined) return "<no value>";
  if (value === null) return options.top ? "<no value>" : "<nil>";
  if (value instanceof NilOf) return { map: "map[]", list: "[]", pointer: "<nil>" }[value.shape];
  if (value instanceof Row) return value.text();
  if (value instanceof Spoken) return value.text;
  if (Array.isArray(value)) return `[${value.map((v) => goText(v)).join(" ")}]`;
  if (typeof value === "function") return "<func>";
  if (!isRecord(value)) return String(value);
  const members = Object.keys(value).sort();
  return `map[${members.map((key) => `${key}:${goText(value[key])}`).join(" ")}]`;
}
