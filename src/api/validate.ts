import { invalid } from "./errors.ts";

/** What a value has to be. A text with `#` names an entry of the table; `array`, `map` and `object` nest. */
export type Shape =
  | "string"
  | "integer"
  | "number"
  | "boolean"
  | "any"
  | `#${string}`
  | { array: Shape }
  | { map: Shape }
  | { object: Record<string, Shape> };

/** Named shapes that others refer to. */
export type ShapeTable = Record<string, Shape>;

const MAX_DEPTH = 32;
/** Lists for which Docker takes one string as well. */
const STRING_OR_LIST = new Set(["Cmd", "Entrypoint", "Shell", "CapAdd", "CapDrop"]);

/**
 * Checks a parsed JSON value and returns a normalised copy: unknown members dropped, members in any letter case under
 * their own name, nulls gone (inside lists and maps they become the empty value, as Go decodes them), and a single string made a
 * list where Docker allows it (a command). Throws `invalid-argument` naming the field by its path.
 */
export function conform(value: unknown, shape: Shape, table: ShapeTable): unknown {
  return new Check(table).value(value, shape, []);
}

class Check {
  constructor(private readonly table: ShapeTable) {}

  value(value: unknown, shape: Shape, path: string[]): unknown {
    if (path.length > MAX_DEPTH) throw invalid(`invalid request body: nested deeper than ${MAX_DEPTH} levels`);
    if (typeof shape !== "string") return this.nested(value, shape, path);
    if (shape.startsWith("#")) return this.value(value, this.table[shape] ?? "any", path);
    const fits = shape === "integer" ? isInt64(value) : shape === "any" || typeof value === shape;
    if (!fits) throw wrong(value, shape, path);
    return value;
  }

  private nested(value: unknown, shape: Exclude<Shape, string>, path: string[]): unknown {
    if ("array" in shape) {
      const list = typeof value === "string" && STRING_OR_LIST.has(path.at(-1) ?? "") ? [value] : value;
      if (!Array.isArray(list)) throw wrong(value, "list", path);
      return list.map((v, i) => this.orZero(v, shape.array, [...path, String(i)]));
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(value, "object", path);
    if ("object" in shape) return this.members(value, shape.object, path);
    const copy: Record<string, unknown> = Object.create(null);
    for (const [key, v] of Object.entries(value)) copy[key] = this.orZero(v, shape.map, [...path, key]);
    return { ...copy };
  }

  private members(value: object, shapes: Record<string, Shape>, path: string[]): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    for (const [key, v] of Object.entries(value)) {
      const name = Object.hasOwn(shapes, key) ? key : foldedName(shapes, key);
      const shape = name === undefined ? undefined : shapes[name];
      if (name === undefined || shape === undefined || v === null || v === undefined) continue;
      out[name] = this.value(v, shape, [...path, name]);
    }
    return out;
  }

  private orZero(value: unknown, shape: Shape, path: string[]): unknown {
    return value === null ? this.zero(shape) : this.value(value, shape, path);
  }

  private zero(shape: Shape): unknown {
    if (typeof shape === "object") return "array" in shape ? [] : {};
    if (shape.startsWith("#")) return this.zero(this.table[shape] ?? "any");
    if (shape === "string") return "";
    if (shape === "boolean") return false;
    return shape === "any" ? {} : 0;
  }
}

function isInt64(value: unknown): boolean {
  return typeof value === "number" && Number.isInteger(value) && Math.abs(value) <= 2 ** 63;
}

function foldedName(shapes: Record<string, Shape>, key: string): string | undefined {
  const folded = key.toLowerCase();
  return Object.keys(shapes).find((name) => name.toLowerCase() === folded);
}

function wrong(value: unknown, wanted: string, path: string[]): Error {
  const got = value === null ? "null" : Array.isArray(value) ? "a list" : `${article(typeof value)} ${typeof value}`;
  const field = path.length === 0 ? "it" : path.join(".");
  const actual = wanted === "integer" && typeof value === "number" ? String(value) : got;
  return invalid(`invalid request body: ${field} must be ${article(wanted)} ${wanted}, not ${actual}`);
}

function article(word: string): string {
  return /^[aeiou]/.test(word) ? "an" : "a";
}
