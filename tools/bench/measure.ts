/** Two engines that are measured in turns; `peer` is missing where none is given. */
export interface Pair<T> {
  own: T;
  peer?: T | undefined;
}

/** A row's medians, and how Berth's relates to the peer's. */
export interface Row {
  name: string;
  own: number;
  peer?: number;
  goal: string;
}

/** The middle value. */
export function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Milliseconds of one asynchronous call. */
export async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const begin = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - begin) / 1e6;
}

const BATCH = 500;

/** Milliseconds of one of many calls in a row: what takes microseconds would else be the time of waking up. */
export async function each(work: () => Promise<unknown>): Promise<number> {
  const all = await elapsed(async () => {
    for (let i = 0; i < BATCH; i++) await work();
  });
  return all / BATCH;
}

/** One call on each first, unmeasured; then in turns, so that a busy moment of the machine hits both. The work tells its milliseconds itself. */
export async function inTurns<T>(
  engines: Pair<T>,
  rounds: number,
  work: (engine: T) => Promise<number>,
): Promise<{ own: number; peer?: number }> {
  const own: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const ours = await work(engines.own);
    const theirs = engines.peer === undefined ? undefined : await work(engines.peer);
    if (round === 0) continue;
    own.push(ours);
    if (theirs !== undefined) peer.push(theirs);
  }
  return { own: median(own), ...(peer.length > 0 ? { peer: median(peer) } : {}) };
}

/** Prints a row; the ratio says how many of the peer's milliseconds Berth takes. */
export function print({ name, own, peer, goal }: Row): void {
  const beside =
    peer === undefined ? "" : `${peer.toFixed(2).padStart(9)} ms   ratio ${(own / peer).toFixed(2)} (goal ${goal})`;
  console.log(`${name.padEnd(52)} ${own.toFixed(2).padStart(9)} ms ${beside}`);
}
