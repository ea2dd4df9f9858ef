/** What a request, or a command line, came to: comparable parts by name. */
export type Outcome = Record<string, string>;

/** One part that differs. */
export interface Difference {
  /** The request or the command line. */
  what: string;
  part: string;
  berth: string;
  peer: string;
}

/** The parts in which two outcomes differ. */
export function differences(what: string, berth: Outcome, peer: Outcome): Difference[] {
  const parts = [...new Set([...Object.keys(berth), ...Object.keys(peer)])].sort();
  return parts
    .filter((part) => (berth[part] ?? "") !== (peer[part] ?? ""))
    .map((part) => ({ what, part, berth: berth[part] ?? "", peer: peer[part] ?? "" }));
}

/** Words without what differs from one engine to the next: ids, sockets, addresses, times, sizes. */
export function plain(words: string): string {
  return (
    words
      .replace(/\b(sha256:)?[0-9a-f]{64}\b/g, "<id>")
      .replace(/\b[0-9a-f]{12}\b/g, "<id>")
      .replace(/\d{4}-\d\d-\d\d[T ][\d:.]+(Z| ?[+-]\d\d:?\d\d( \w+)?)/g, "<time>")
      // The time of a file in an archive, and its header's sum.
      .replace(/1\d{10}\0\d{6}\0 /g, "<mtime>")
      .replace(/unix:\/\/[^\s"]+/g, "<socket>")
      .replace(/172\.\d+\.\d+\.\d+/g, "<address>")
      .replace(/\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, "<mac>")
      .replace(/(Less than a|About an?|\d+) (seconds?|minutes?|hours?|days?|weeks?|months?|years?)/g, "<age>")
      .replace(/\b\d+(\.\d+)?[kMGT]?B\b/g, "<size>")
      .replace(/ {2,}/g, "  ")
      .trim()
  );
}

/** The structure of parsed JSON, one path a line; a list has the structure of its members together. Empty lists and null are alike, as Go writes either. */
export function shape(value: unknown, path = ""): string[] {
  if (value === null || value === undefined) return [`${path}: empty`];
  if (Array.isArray(value)) {
    return value.length === 0 ? [`${path}: empty`] : [...new Set(value.flatMap((v) => shape(v, `${path}[]`)))].sort();
  }
  if (typeof value !== "object") return [`${path}: ${typeof value}`];
  const entries = Object.entries(value);
  if (entries.length === 0) return [`${path}: empty`];
  return entries.flatMap(([key, v]) => shape(v, `${path}.${plain(key)}`)).sort();
}

/** Paths that only one of two shapes has: `+` only Berth's, `-` only the peer's. Empty against filled is no difference. */
export function shapeDifference(berth: string[], peer: string[]): string {
  const bare = (line: string): string => line.replace(/: \w+$/, "");
  const empties = (lines: string[]): string[] => lines.filter((l) => l.endsWith(": empty")).map(bare);
  const covered = (line: string, others: string[]): boolean =>
    others.includes(line) ||
    empties(others).some((e) => bare(line) === e || line.startsWith(`${e}.`) || line.startsWith(`${e}[]`));
  const filled = (line: string, others: string[]): boolean =>
    line.endsWith(": empty") &&
    others.some((o) => bare(o) === bare(line) || o.startsWith(`${bare(line)}.`) || o.startsWith(`${bare(line)}[]`));
  const only = (mine: string[], others: string[]): string[] =>
    mine.filter((l) => !covered(l, others) && !filled(l, others));
  return [...only(berth, peer).map((l) => `+${l}`), ...only(peer, berth).map((l) => `-${l}`)].join("\n");
}
