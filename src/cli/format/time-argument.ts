import { BerthError } from "../../spec/errors.ts";
import { parseDuration } from "./units.ts";

const NANOS = 1_000_000_000n;

/**
 * `--since` and `--until` as the API takes them, `SECONDS.NANOS`: a span that lies back (`42m`), seconds since 1970, or a
 * date with as much of its time and zone as one likes (local time without a zone). Empty gives undefined.
 * `flag` names it in errors; without one they are as short as those of Docker's `events`.
 */
export function timeArgument(text: string, flag = "", now = Date.now()): string | undefined {
  if (text === "") return undefined;
  if (/^-?\d+(\.\d+)?$/.test(text)) return text;
  if (/^[+-]?(\d*\.?\d+(ns|us|µs|ms|s|m|h))+$/.test(text) || text === "0") {
    return fromNanos(BigInt(now) * 1_000_000n - BigInt(parseDuration(text)));
  }
  const match = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d{2}:\d{2})?$/.exec(
    text,
  );
  if (!match) {
    throw bad(flag, `failed to parse value as time or duration: "${text}"`);
  }
  const [, date, hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = match;
  const ms = Date.parse(`${date}T${hour}:${minute}:${second}${zone}`);
  if (Number.isNaN(ms)) throw bad(flag, `no such time: "${text}"`);
  return fromNanos(BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, "0")));
}

function bad(flag: string, why: string): BerthError {
  return new BerthError("invalid-argument", flag === "" ? why : `invalid value for "${flag}": ${why}`);
}

function fromNanos(nanos: bigint): string {
  return `${nanos / NANOS}.${String(nanos % NANOS).padStart(9, "0")}`;
}
