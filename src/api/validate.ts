import { invalid } from "./errors.ts";
import { fitsGoType, goKind, goPath, goType } from "./go-types.ts";

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
 * list where Docker allows it (a command). Throws `invalid-argument` in Docker's words, naming the field by its path. `type` is Docker's name of the
 * whole.
 */
export function conform(value: unknown, shape: Shape, table: ShapeTable, type = "container.CreateRequest"): unknown {
  return new Check(table, type).value(value, shape, []);
}

class Check {
  constructor(
    private readonly table: ShapeTable,
    private readonly type: string,
  ) {}

  value(value: unknown, shape: Shape, path: string[]): unknown {
    if (path.length > MAX_DEPTH) throw invalid(`invalid request body: nested deeper than ${MAX_DEPTH} levels`);
    if (typeof shape !== "string") return this.nested(value, shape, path);
    if (shape.startsWith("#")) return this.value(value, this.table[shape] ?? "any", path);
    if (!this.fits(value, shape, path)) throw this.wrong(value, shape, path);
    return value;
  }

  private nested(value: unknown, shape: Exclude<Shape, string>, path: string[]): unknown {
    if ("array" in shape) {
      const list = typeof value === "string" && this.takesString(path) ? [value] : value;
      if (!Array.isArray(list)) throw this.wrong(value, shape, path);
      return list.map((v, i) => this.orZero(v, shape.array, [...path, String(i)]));
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.wrong(value, shape, path);
    if ("object" in shape) return this.members(value, shape.object, path);
    const copy: Record<string, unknown> = Object.create(null);
    for (const [key, v] of Object.entries(value)) copy[key] = this.orZero(v, shape.map, [...path, key]);
    return { ...copy };
  }

  /** An exec's command is a list and nothing else. */
  private takesString(path: string[]): boolean {
    return STRING_OR_LIST.has(path.at(-1) ?? "") && !this.type.endsWith("ExecOptions");
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

  private fits(value: unknown, shape: string, path: string[]): boolean {
    const type = goType(shape as Shape, path);
    if (shape === "any") return type !== "struct {}" || (typeof value === "object" && !Array.isArray(value));
    if (shape !== "integer") return typeof value === shape;
    return typeof value === "number" && Number.isInteger(value) && fitsGoType(value, type);
  }

  private wrong(value: unknown, shape: Shape, path: string[]): Error {
    const at = path.findIndex((part) => STRING_OR_LIST.has(part));
    const words = (what: string): Error => invalid(`invalid JSON: json: cannot unmarshal ${what}`);
    // A command has a decoder of its own, which tells no path.
    if (at >= 0 && this.type === "container.CreateRequest") {
      return words(`${path.length > at + 1 ? "array" : goKind(value)} into Go value of type string`);
    }
    if (path.length === 0) return words(`${goKind(value)} into Go value of type ${this.type}`);
    const kind = typeof value === "number" && shape === "integer" ? `number ${value}` : goKind(value);
    // What CreateRequest embeds has no name of its own.
    const root = this.type === "container.CreateRequest" ? "" : this.type.replace(/^.*\./, "");
    return words(`${kind} into ${goPath(root, path)} of type ${goType(shape, path)}`);
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

function foldedName(shapes: Record<string, Shape>, key: string): string | undefined {
  const folded = key.toLowerCase();
  return Object.keys(shapes).find((name) => name.toLowerCase() === folded);
}
