import { type Calls, eachInTurns, elapsed, inTurns, type Pair, print, SHORT } from "./measure.ts";
import type { Socket } from "./socket.ts";
import { create, remove, start } from "./verbs.ts";

const NO_NETWORK = { HostConfig: { NetworkMode: "none" } };
const ALIKE = 10;

/** What grows with the number of containers: ps, stats, and run, which must not. */
export async function crowd(engines: Pair<Socket>, rounds: number): Promise<void> {
  const made = new Map<Socket, string[]>();
  const all = [engines.own, engines.peer].filter((e) => e !== undefined);
  const ps = async (count: number, calls: Calls): Promise<void> => {
    for (const engine of all) {
      const ids = made.get(engine) ?? [];
      made.set(engine, ids);
      while (ids.length < count) {
        const few = Array.from({ length: Math.min(ALIKE, count - ids.length) }, () => create(engine, NO_NETWORK));
        ids.push(...(await Promise.all(few)));
      }
    }
    const list = (engine: Socket): Promise<unknown> => engine.call("GET /containers/json?all=1");
    const result = await eachInTurns(engines, { rounds, ...calls }, list);
    print({ name: `ps -a with ${count} containers`, goal: "0.50", ...result });
  };
  const alone = await inTurns({ own: engines.own }, rounds, runOnce);
  await ps(1, SHORT);
  await ps(100, { batch: 50, warmUp: 500 });
  await ps(1000, { batch: 10, warmUp: 50 });
  const crowded = await inTurns({ own: engines.own }, rounds, runOnce);
  console.log(
    `run with 1000 stopped containers around: ${crowded.own.toFixed(1)} ms, with none: ${alone.own.toFixed(1)} ms, ratio ${(crowded.own / alone.own).toFixed(2)} (goal 1.10)`,
  );
  for (const [engine, ids] of made) await remove(engine, ids);
  await stats(engines, all);
}

async function stats(engines: Pair<Socket>, all: Socket[]): Promise<void> {
  const running = new Map<Socket, string[]>();
  for (const engine of all) {
    const ids: string[] = [];
    for (let at = 0; at < 100; at += ALIKE) {
      ids.push(...(await Promise.all(Array.from({ length: ALIKE }, () => start(engine, NO_NETWORK)))));
    }
    running.set(engine, ids);
  }
  const result = await inTurns(engines, 5, (engine) =>
    elapsed(() =>
      Promise.all(
        (running.get(engine) ?? []).map((id) => engine.call(`GET /containers/${id}/stats?stream=0&one-shot=1`)),
      ),
    ),
  );
  print({ name: "stats of 100 containers", goal: "0.50", ...result });
  for (const [engine, ids] of running) await remove(engine, ids);
}

/** Create, start, wait, remove. */
async function runOnce(engine: Socket): Promise<number> {
  return elapsed(async () => {
    const id = await create(engine, { Cmd: ["true"] });
    await Promise.all([
      engine.call(`POST /containers/${id}/wait?condition=next-exit`),
      engine.call(`POST /containers/${id}/start`),
    ]);
    await engine.call(`DELETE /containers/${id}`);
  });
}
