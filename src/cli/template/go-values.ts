import { durationText } from "../../spec/duration.ts";
import { goTimeUtc } from "../format/time.ts";
import { STRUCTS } from "./go-structs.ts";
import { goText, isRecord, NilOf, Row, Spoken, truth } from "./values.ts";

interface Field {
  name: string;
  json: string;
  type: string;
  embedded: boolean;
  /** Left out of JSON where it is empty. */
  optional: boolean;
}

const parsed = new Map<string, Field[]>();

function fieldsOf(struct: string): Field[] {
  const known = parsed.get(struct);
  if (known) return known;
  const texts = (STRUCTS[struct] ?? "").split(" ").filter(Boolean);
  const fields = texts.map((text): Field => {
    const [, mark, name = "", optional, json = name, type = "string"] =
      /^(\^?)(\w+)(\??)(?:=([\w.]+))?(?::(.+))?$/.exec(text) ?? [];
    return { name, json, type, embedded: mark === "^", optional: optional === "?" };
  });
  parsed.set(struct, fields);
  return fields;
}

/** An answer's JSON as the Go struct that Docker's command line reads it into: nothing is missing, order and types are Go's. */
export function goStruct(struct: string, json: Record<string, unknown>): Row {
  return structValue(struct, json, false);
}

function structValue(struct: string, json: Record<string, unknown>, pointer: boolean): Row {
  const fields: Record<string, unknown> = {};
  const promoted: Record<string, unknown> = {};
  const shown: (() => string)[] = [];
  const plain: Record<string, unknown> = {};
  for (const field of fieldsOf(struct)) {
    const value = goValue(field.type, field.embedded ? json : json[field.json]);
    fields[field.name] = value;
    shown.push(() => inside(field.type, value));
    if (!field.embedded) {
      if (Object.hasOwn(json, field.json) && !(field.optional && !truth(value))) plain[field.json] = value;
      continue;
    }
    if (!(value instanceof Row)) continue;
    for (const [name, inner] of Object.entries(value.fields)) promoted[name] ??= inner;
    Object.assign(plain, value.toJSON());
  }
  const type = pointer ? `*${struct}` : struct;
  return new Row({ ...promoted, ...fields }, { type, json: plain, text: () => `{${shown.map((f) => f()).join(" ")}}` });
}

function goValue(type: string, json: unknown): unknown {
  if (type.startsWith("*")) return json === null || json === undefined ? new NilOf("pointer") : pointed(type, json);
  if (type.startsWith("[]")) {
    if (!Array.isArray(json)) return new NilOf("list");
    return json.map((item) => goValue(type.slice(2), item));
  }
  if (type === "[2]int") return Array.isArray(json) ? json : [0, 0];
  if (type.startsWith("map[")) {
    if (!isRecord(json)) return new NilOf("map");
    const inner = type.slice("map[".length, -1);
    const keys = Object.keys(json).sort();
    return Object.fromEntries(keys.map((key) => [key, goValue(inner, json[key])]));
  }
  if (Object.hasOwn(STRUCTS, type)) return structValue(type, isRecord(json) ? json : {}, false);
  return scalar(type, json);
}

/** Structs whose pointers print in words of their own. */
const WORDS: Record<string, (json: Record<string, unknown>) => string> = {
  "units.Ulimit": ({ Name, Soft, Hard }) => `${Name}=${Soft}:${Hard}`,
  "blkiodev.WeightDevice": ({ Path, Weight }) => `${Path}:${Weight}`,
  "blkiodev.ThrottleDevice": ({ Path, Rate }) => `${Path}:${Rate}`,
};

function pointed(type: string, json: unknown): unknown {
  const target = type.slice(1);
  if (!Object.hasOwn(STRUCTS, target)) return scalar(target, json);
  const value = structValue(target, isRecord(json) ? json : {}, true);
  const words = WORDS[target];
  return words && isRecord(json)
    ? new Row(value.fields, { type, json: value.toJSON(), text: () => words(json) })
    : value;
}

function scalar(type: string, json: unknown): unknown {
  switch (type) {
    case "string":
      return json ?? "";
    case "bool":
      return json ?? false;
    case "int":
      return json ?? 0;
    case "time":
      return new Spoken(goTimeUtc(typeof json === "string" ? json : ""), json);
    case "duration":
      return new Spoken(durationText(Number(json ?? 0)), json ?? 0);
    default:
      return json ?? null;
  }
}

/** Go prints what a pointer inside another value points to by its address. */
const ADDRESS = "0xc000010000";

/** A value inside a printed struct, list or map. */
function inside(type: string, value: unknown): string {
  if (type.startsWith("*")) return pointerText(type.slice(1), value);
  if (type.startsWith("[]") && Array.isArray(value)) {
    return `[${value.map((item) => inside(type.slice(2), item)).join(" ")}]`;
  }
  if (type.startsWith("map[") && isRecord(value) && !(value instanceof NilOf)) {
    const inner = type.slice("map[".length, -1);
    const members = Object.keys(value).sort();
    return `map[${members.map((key) => `${key}:${inside(inner, value[key])}`).join(" ")}]`;
  }
  return goText(value);
}

function pointerText(target: string, value: unknown): string {
  if (value instanceof NilOf) return "<nil>";
  return Object.hasOwn(WORDS, target) ? goText(value) : ADDRESS;
}
