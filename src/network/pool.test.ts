import { expect, test } from "bun:test";
import { Pool } from "./pool.ts";

/** A maker whose things are finished by hand, in any order. */
function workshop(): {
  make: () => Promise<number>;
  finish: (n: number) => void;
  fail: (n: number) => void;
  begun: () => number;
} {
  const open = new Map<number, { resolve: (n: number) => void; reject: (e: Error) => void }>();
  let begun = 0;
  return {
    make: () => new Promise((resolve, reject) => open.set(++begun, { resolve, reject })),
    finish: (n) => open.get(n)?.resolve(n),
    fail: (n) => open.get(n)?.reject(new Error(`no ${n}`)),
    begun: () => begun,
  };
}

function counting(): () => Promise<number> {
  let made = 0;
  return () => Promise.resolve(++made);
}

test("is full when idle, gives in the order of making, and refills", async () => {
  const pool = new Pool({ size: 3, make: counting(), log: () => undefined });
  pool.fill();
  await pool.idle();
  expect(pool.ready).toBe(3);
  expect([await pool.take(), await pool.take(), await pool.take(), await pool.take()]).toEqual([1, 2, 3, 4]);
  await pool.idle();
  expect(pool.ready).toBe(3);
});

test("things that are finished out of order are still given in order", async () => {
  const { make, finish } = workshop();
  const pool = new Pool({ size: 2, make, log: () => undefined });
  pool.fill();
  finish(2);
  finish(1);
  await pool.idle();
  expect([await pool.take(), await pool.take()]).toEqual([1, 2]);
});

test("a burst is served by a few makers at a time, before any refilling", async () => {
  const { make, finish, begun } = workshop();
  const pool = new Pool({ size: 4, make, log: () => undefined });
  const all = Array.from({ length: 10 }, () => pool.take());
  expect(begun()).toBe(4);
  for (let n = 1; n <= 10; n++) {
    finish(n);
    await all[n - 1];
    await Promise.resolve();
  }
  expect(await Promise.all(all)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  expect(begun()).toBe(10);
  await pool.drain();
});

test("a failure reaches who waits, or else the log, and ends refilling until the next take", async () => {
  const { make, fail, begun } = workshop();
  const logged: string[] = [];
  const pool = new Pool({ size: 1, make, log: (line) => logged.push(line) });
  pool.fill();
  fail(1);
  await pool.idle();
  expect(logged).toEqual(["network: cannot prepare a namespace: no 1"]);
  expect(begun()).toBe(1);
  const waiting = pool.take();
  fail(2);
  await expect(waiting).rejects.toThrow("no 2");
  await pool.drain();
});

test("a thing given back is the next given out, and serves who waits", async () => {
  const { make } = workshop();
  const pool = new Pool<number>({ size: 0, make, log: () => undefined });
  const waiting = pool.take();
  pool.put(7);
  expect(await waiting).toBe(7);
  pool.put(8);
  expect(await pool.take()).toBe(8);
});

test("drain hands over what is ready and ends refilling; taking goes on to order", async () => {
  const pool = new Pool({ size: 2, make: counting(), log: () => undefined });
  pool.fill();
  expect(await pool.drain()).toEqual([1, 2]);
  expect(await pool.take()).toBe(3);
  await pool.idle();
  expect(pool.ready).toBe(0);
});

test("a hint that one was used up makes exactly one, however often it is given", async () => {
  const made = Promise.withResolvers<void>();
  let begun = 0;
  const pool = new Pool<number>({
    size: 3,
    make: () => {
      made.resolve();
      return Promise.resolve(++begun);
    },
    log: () => undefined,
  });
  pool.topUp();
  pool.topUp();
  await made.promise;
  await pool.idle();
  expect([pool.ready, begun]).toEqual([1, 1]);
  expect(await pool.drain()).toEqual([1]);
});
