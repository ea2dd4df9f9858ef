import { expect, test } from "bun:test";
import { type Job, SharedWork } from "./shared-work.ts";

// Work that several want: begun once, left by each alone, taken over where it fails.

const never = new AbortController().signal;
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
};

/** A piece of work that the test ends, with all that was told of it. */
function scene(): {
  shared: SharedWork<string, number>;
  jobs: (Job<number> & PromiseWithResolvers<void>)[];
  join: (signal?: AbortSignal) => { done: Promise<void>; told: number[] };
} {
  const shared = new SharedWork<string, number>();
  const jobs: (Job<number> & PromiseWithResolvers<void>)[] = [];
  const start = (job: Job<number>): Promise<void> => {
    const end = Promise.withResolvers<void>();
    jobs.push({ ...job, ...end });
    return end.promise;
  };
  return {
    shared,
    jobs,
    join: (signal = never) => {
      const told: number[] = [];
      return { told, done: shared.join("key", { start, signal, tell: (n) => told.push(n) }) };
    },
  };
}

test("one run for all; who comes later is told what was told last", async () => {
  const { jobs, join } = scene();
  const a = join();
  await turns();
  jobs[0]?.tell(1);
  const b = join();
  jobs[0]?.tell(2);
  jobs[0]?.resolve();
  await Promise.all([a.done, b.done]);
  expect([jobs.length, a.told, b.told]).toEqual([1, [1, 2], [1, 2]]);
  const again = join();
  await turns();
  jobs[1]?.resolve();
  await again.done;
  expect(jobs.length).toBe(2);
});

test("it goes on until the last one leaves, who waits for its end; who comes meanwhile begins anew behind it", async () => {
  const { jobs, join } = scene();
  const [one, two] = [new AbortController(), new AbortController()];
  const a = join(one.signal);
  const b = join(two.signal);
  await turns();
  one.abort(new Error("left"));
  await expect(a.done).rejects.toThrow("left");
  expect(jobs[0]?.signal.aborted).toBe(false);
  let ended = false;
  void b.done.catch(() => (ended = true));
  two.abort(new Error("left too"));
  await turns();
  expect([jobs[0]?.signal.aborted, ended]).toEqual([true, false]);
  const c = join();
  await turns();
  expect(jobs.length).toBe(1);
  jobs[0]?.reject(new Error("stopped"));
  await expect(b.done).rejects.toThrow("left too");
  await turns();
  jobs[1]?.resolve();
  await c.done;
});

test("where it fails the one who began it is told; the others begin it in their own way, one of them", async () => {
  const { jobs, join } = scene();
  const all = [join(), join(), join()];
  await turns();
  jobs[0]?.reject(new Error("broken"));
  await expect(all[0]?.done).rejects.toThrow("broken");
  await turns();
  expect(jobs.length).toBe(2);
  jobs[1]?.resolve();
  await Promise.all([all[1]?.done, all[2]?.done]);
});

test("who has left already begins nothing", async () => {
  const { jobs, join } = scene();
  await expect(join(AbortSignal.abort(new Error("gone"))).done).rejects.toThrow("gone");
  expect(jobs).toEqual([]);
});
