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

/** How many calls are measured together, and how many come before the first that counts. */
export interface Calls {
  batch: number;
  warmUp: number;
}

/** For calls of microseconds: a daemon that has run for an hour has compiled what it does often, one of a second has not. */
export const SHORT: Calls = { batch: 500, warmUp: 12_000 };

/** Milliseconds of one of many calls in a row, in turns, on warm engines: what takes microseconds would else be the time of waking up and compiling. */
export async function eachInTurns<T>(
  engines: Pair<T>,
  { rounds, batch, warmUp }: Calls & { rounds: number },
  work: (engine: T) => Promise<unknown>,
): Promise<{ own: number; peer?: number }> {
  const together = (engine: T): Promise<number> =>
    elapsed(async () => {
      for (let i = 0; i < batch; i++) await work(engine);
    });
  for (let done = 0; done < warmUp; done += batch) {
    await together(engines.own);
    if (engines.peer !== undefined) await together(engines.peer);
  }
  return inTurns(engines, rounds, async (engine) => (await together(engine)) / batch);
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
