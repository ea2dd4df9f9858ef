import { expect, test } from "bun:test";
import { random } from "../testing/random.ts";
import { Pool } from "./pool.ts";

test.each(Array.from({ length: 20 }, (_, i) => i + 1))(
  "seed %d: whoever takes gets a thing of its own or an error, and every thing is somewhere",
  async (seed) => {
    const next = random(seed);
    const making: { n: number; resolve: (n: number) => void; reject: (e: Error) => void }[] = [];
    let begun = 0;
    let failed = 0;
    const logged: string[] = [];
    const size = Math.floor(next() * 5);
    const make = (): Promise<number> => new Promise((resolve, reject) => making.push({ n: ++begun, resolve, reject }));
    const pool = new Pool<number>({ size, make, log: (line) => logged.push(line) });
    const taken: Promise<number | "failed">[] = [];
    const held: number[] = [];
    const finishOne = async (): Promise<void> => {
      const [one] = making.splice(Math.floor(next() * making.length), 1);
      if (!one) return;
      if (next() < 0.15) {
        failed++;
        one.reject(new Error("broken"));
      } else one.resolve(one.n);
      await new Promise((resolve) => setImmediate(resolve));
    };
    for (let step = 0; step < 200; step++) {
      const dice = next();
      if (dice < 0.45) {
        taken.push(
          pool.take().then(
            (n) => {
              held.push(n);
              return n;
            },
            () => "failed" as const,
          ),
        );
      } else if (dice < 0.5) pool.fill();
      else if (dice < 0.55 && held.length > 0) pool.put(held.pop() ?? 0);
      else await finishOne();
      expect(making.length).toBeLessThanOrEqual(4);
    }
    const drained = pool.drain();
    while (making.length > 0) await finishOne();
    const left = await drained;
    const errors = (await Promise.all(taken)).filter((t) => t === "failed").length;
    expect([...held, ...left].sort((a, b) => a - b)).toEqual([...new Set([...held, ...left])].sort((a, b) => a - b));
    expect(held.length + left.length).toBe(begun - failed);
    expect(errors + logged.length).toBe(failed);
    expect(pool.ready).toBe(0);
  },
);
