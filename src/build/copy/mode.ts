import { BerthError } from "../../spec/errors.ts";

/** What `--chmod` makes of a mode. `absolute` where it says the whole of it. */
export interface ModeChange {
  absolute?: number;
  /** The new mode, twelve bits, of an entry that has `mode` now. */
  of(entry: { type: string; mode: number }): number;
}

const CLAUSE = /^([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)$/;
const ACTION = /([-+=])([rwxXst]*|[ugo])(?=[-+=]|$)/g;
const SHIFT: Record<string, number> = { u: 6, g: 3, o: 0 };
const BITS: Record<string, number> = { r: 4, w: 2, x: 1 };
const UMASK_FREE = "ugo";

/**
 * The value of `--chmod`: octal digits, or clauses as in chmod(1), `u=rwX,go-w`, without a umask. Throws `invalid-argument` in Docker's words.
 */
export function parseMode(text: string): ModeChange {
  const trimmed = text.trim();
  if (/^[0-9]/.test(trimmed)) {
    const absolute = Number.parseInt(trimmed, 8);
    if (!/^[0-7]+$/.test(trimmed) || absolute > 0o7777) throw invalid(text);
    return { absolute, of: () => absolute };
  }
  const clauses = trimmed.split(",").map((clause) => CLAUSE.exec(clause));
  if (trimmed !== "" && clauses.some((match) => match === null)) throw invalid(text);
  return {
    of: ({ type, mode }) =>
      clauses.reduce((now, match) => change(now, { who: match?.[1] ?? "", actions: match?.[2] ?? "", type }), mode),
  };
}

function change(mode: number, { who, actions, type }: { who: string; actions: string; type: string }): number {
  const everybody = who === "" || who.includes("a");
  const classes = [...UMASK_FREE].filter((c) => everybody || who.includes(c));
  let now = mode;
  for (const [, operator, what = ""] of actions.matchAll(ACTION)) {
    const searchable = type === "dir" || (now & 0o111) !== 0;
    const bits = bitsOf(what, { classes, everybody, searchable, now });
    if (operator === "+") now |= bits;
    else if (operator === "-") now &= ~bits;
    else now = (now & ~clearedBy(classes, { everybody, copies: what in SHIFT })) | bits;
  }
  return now;
}

function bitsOf(
  what: string,
  { classes, everybody, searchable, now }: { classes: string[]; everybody: boolean; searchable: boolean; now: number },
): number {
  const copied = SHIFT[what];
  let three = copied === undefined ? 0 : (now >> copied) & 7;
  for (const letter of what) three |= BITS[letter] ?? (letter === "X" && searchable ? 1 : 0);
  let bits = classes.reduce((sum, c) => sum | (three << (SHIFT[c] ?? 0)), 0);
  if (what.includes("s") && classes.includes("u")) bits |= 0o4000;
  if (what.includes("s") && classes.includes("g")) bits |= 0o2000;
  if (what.includes("t") && everybody) bits |= 0o1000;
  return bits;
}

/** What `=` takes away: the class's three bits, and its special one unless another class is copied; all of them where everybody is meant. */
function clearedBy(classes: string[], how: { everybody: boolean; copies: boolean }): number {
  const own = (classes.includes("u") ? 0o4000 : 0) | (classes.includes("g") ? 0o2000 : 0);
  const special = how.everybody ? 0o7000 : how.copies ? 0 : own;
  return classes.reduce((sum, c) => sum | (7 << (SHIFT[c] ?? 0)), special);
}

function invalid(text: string): BerthError {
  return new BerthError(
    "invalid-argument",
    `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`,
    { hint: "or clauses like u=rwX,go-w" },
  );
}
