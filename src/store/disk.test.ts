import { expect, test } from "bun:test";
import { setImmediate } from "node:timers/promises";
import { type Disk, openDisk } from "./disk.ts";

/** A disk whose syncs end as the test says. */
function bench(): { disk: Disk; syncs: PromiseWithResolvers<void>[]; done: string[]; warned: string[] } {
  const [syncs, done, warned]: [PromiseWithResolvers<void>[], string[], string[]] = [[], [], []];
  const sync = (): Promise<void> => {
    const one = Promise.withResolvers<void>();
    syncs.push(one);
    return one.promise;
  };
  return { disk: openDisk("/", { boot: "b", sync, warn: (line) => warned.push(line) }), syncs, done, warned };
}

test("calls wait for a sync that begins after them", async () => {
  const { disk, syncs, done } = bench();
  disk.later(() => done.push("first"));
  const flushing = disk.flush();
  disk.later(() => done.push("second"));
  expect(done).toEqual([]);
  syncs[0]?.resolve();
  await flushing;
  expect(done).toEqual(["first"]);
  const next = disk.flush();
  syncs[1]?.resolve();
  await next;
  expect(done).toEqual(["first", "second"]);
});

test("without anything to bring there is no sync, but one that is under way is waited for", async () => {
  const { disk, syncs, done } = bench();
  await disk.flush();
  expect(syncs).toHaveLength(0);
  disk.later(() => done.push("brought"));
  const first = disk.flush();
  const second = disk.flush().then(() => done.push("second"));
  syncs[0]?.resolve();
  await first;
  expect(done).toEqual(["brought"]);
  // The second sync begins once the first has ended.
  while (syncs.length < 2) await setImmediate();
  syncs[1]?.resolve();
  await second;
  expect(done).toEqual(["brought", "second"]);
});

test("a sync that fails is an error to who waits for it, and its calls wait for the next one", async () => {
  const { disk, syncs, done } = bench();
  disk.later(() => done.push("kept"));
  const failing = disk.flush();
  syncs[0]?.reject(new Error("EIO"));
  await expect(failing).rejects.toThrow("EIO");
  expect(done).toEqual([]);
  const next = disk.flush();
  syncs[1]?.resolve();
  await next;
  expect(done).toEqual(["kept"]);
});

test("nobody has to ask: a sync begins by itself, one for all that came before", async () => {
  const begun = Promise.withResolvers<void>();
  let syncs = 0;
  const disk = openDisk("/", {
    sync: async () => {
      syncs += 1;
      begun.resolve();
    },
  });
  const both = Promise.withResolvers<void>();
  let called = 0;
  for (let n = 0; n < 2; n++) disk.later(() => ++called === 2 && both.resolve());
  // The disk's own timer does not keep a process.
  const alive = setInterval(() => undefined, 1000);
  await Promise.all([begun.promise, both.promise]);
  clearInterval(alive);
  expect(syncs).toBe(1);
});

test("the boot is the kernel's, and a real file system can be synced", async () => {
  const disk = openDisk("/tmp");
  expect(disk.boot).toMatch(/^[0-9a-f-]{36}$/);
  let called = false;
  disk.later(() => (called = true));
  await disk.flush();
  expect(called).toBe(true);
});
