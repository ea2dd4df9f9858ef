import { describe, expect, test } from "bun:test";
import { SharedSync } from "./shared-sync.ts";

/** A disk whose syncs end when the test says so. */
class Disk {
  readonly syncs: PromiseWithResolvers<void>[] = [];
  readonly shared = new SharedSync(() => {
    const one = Promise.withResolvers<void>();
    this.syncs.push(one);
    return one.promise;
  });
}

const settled = async (promise: Promise<void>): Promise<boolean> =>
  Promise.race([promise.then(() => true), new Promise<boolean>((done) => setImmediate(() => done(false)))]);

describe("a shared sync", () => {
  test("who asks while one is under way waits for one that begins later, and shares it", async () => {
    const { shared, syncs } = new Disk();
    const first = shared.flush();
    const [second, third] = [shared.flush(), shared.flush()];
    expect(syncs).toHaveLength(1);
    syncs[0]?.resolve();
    await first;
    expect(await settled(second)).toBe(false);
    expect(syncs).toHaveLength(2);
    const fourth = shared.flush();
    syncs[1]?.resolve();
    await Promise.all([second, third]);
    expect(await settled(fourth)).toBe(false);
    syncs[2]?.resolve();
    await fourth;
    expect(syncs).toHaveLength(3);
  });

  test("one that fails is an error to those who asked for it, and to nobody else", async () => {
    const { shared, syncs } = new Disk();
    const first = shared.flush();
    const second = shared.flush();
    syncs[0]?.reject(new Error("EIO"));
    await expect(first).rejects.toThrow("EIO");
    await settled(second);
    syncs[1]?.resolve();
    await second;
  });

  test("one after the other, each begins its own", async () => {
    const { shared, syncs } = new Disk();
    for (const n of [1, 2, 3]) {
      const flush = shared.flush();
      expect(syncs).toHaveLength(n);
      syncs[n - 1]?.resolve();
      await flush;
    }
  });
});
