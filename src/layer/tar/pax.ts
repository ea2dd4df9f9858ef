import { encodeName } from "../../spec/names.ts";
import { badTar, quoted } from "./error.ts";

/** The records of one or more extended headers, in order: later ones win, but sparse 0.0 repeats its keys. */
export interface PaxRecord {
  key: string;
  value: Buffer;
}

const NEWLINE = 10;
const EQUALS = 61;
const SPACE = 32;

/** Parses `length key=value\n` records (POSIX.1-2017, pax, "pax Extended Header"). Throws `invalid-argument` on anything else. The values are copies. */
export function parsePax(data: Buffer): PaxRecord[] {
  const body = Buffer.from(data);
  const records: PaxRecord[] = [];
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(SPACE, at);
    const length = space < 0 || space - at > 9 ? Number.NaN : decimal(body.toString("latin1", at, space));
    const end = at + length;
    const equals = body.indexOf(EQUALS, space);
    if (!(end <= body.length) || equals < 0 || equals >= end || equals === space + 1 || body[end - 1] !== NEWLINE) {
      throw badTar("an extended header is malformed");
    }
    records.push({ key: body.toString("utf8", space + 1, equals), value: body.subarray(equals + 1, end - 1) });
    at = end;
  }
  return records;
}

/** The bytes of one record, its own length included. */
export function paxRecord(key: string, value: string | Buffer): Buffer {
  const tail = Buffer.concat([
    Buffer.from(` ${key}=`),
    typeof value === "string" ? encodeName(value) : value,
    Buffer.from("\n"),
  ]);
  let length = tail.length + 1;
  while (String(length).length + tail.length !== length) length = String(length).length + tail.length;
  return Buffer.concat([Buffer.from(String(length)), tail]);
}

/**
 * An attribute's name as part of a key, which cannot hold `=`: as GNU tar, `%3D` and `%25` stand for `=` and `%`. Names with none of these stay as they are,
 * since Docker does not read them otherwise.
 */
export function encodeXattr(name: string): string {
  return /=|%3D|%25/.test(name) ? name.replaceAll("%", "%25").replaceAll("=", "%3D") : name;
}

/** The name that `encodeXattr` or GNU tar wrote. */
export function decodeXattr(text: string): string {
  return text.includes("%3D") || text.includes("%25") ? text.replaceAll("%3D", "=").replaceAll("%25", "%") : text;
}

/** A record's value as a whole decimal number. */
export function paxInteger(key: string, value: Buffer): number {
  const n = decimal(value.toString("latin1"));
  if (Number.isNaN(n)) throw badTar(`${key} is ${quoted(value.toString("latin1", 0, 40))}, not a number`);
  return n;
}

/** A time record, decimal seconds with any number of places, as whole seconds (rounded down) and nanoseconds. */
export function paxTime(key: string, value: Buffer): { sec: number; nsec: number } {
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(value.toString("latin1"));
  if (!match) throw badTar(`${key} is ${quoted(value.toString("latin1", 0, 40))}, not a time`);
  const sec = Number(match[2]);
  const nsec = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (!match[1]) return { sec, nsec };
  return nsec === 0 ? { sec: -sec, nsec: 0 } : { sec: -sec - 1, nsec: 1e9 - nsec };
}

function decimal(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
}
