import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import type { Storage } from "../registry/server/types.ts";

/** What every storage of a registry has to do. `open` gives an empty one. */
export function storageContract(name: string, open: () => Promise<{ storage: Storage; close(): Promise<void> }>): void {
  describe(name, () => {
    let opened: { storage: Storage; close(): Promise<void> };
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.close());
    recordsContract(() => opened.storage.metadata);
    dataContract(() => opened.storage.data);
    unfinishedContract(() => opened.storage.data);
    racesContract(() => opened.storage);
  });
}

function recordsContract(metadata: () => Storage["metadata"]): void {
  test("a record is what was written last, and gone when it was removed", async () => {
    await metadata().write([{ put: "a/b:1~x.x", value: "one" }]);
    await metadata().write([{ put: "a/b:1~x.x", value: Buffer.from([0, 255, 10]) }]);
    expect(await metadata().get("a/b:1~x.x")).toEqual(Buffer.from([0, 255, 10]));
    await metadata().write([{ remove: "a/b:1~x.x" }, { remove: "a/never" }]);
    expect(await metadata().get("a/b:1~x.x")).toBeUndefined();
    await metadata().write([{ put: "a/empty", value: "" }]);
    expect((await metadata().get("a/empty"))?.byteLength).toBe(0);
  });

  test("lists are in the order of bytes, of one prefix, by pages", async () => {
    const names = ["l/A", "l/a", "l/a-b", "l/a.b", "l/a/c", "l/a0", "l/a~b", "l/b", "l/b:1", "m/a", "l"];
    const before = Date.now();
    await metadata().write(names.map((put) => ({ put, value: "x" })));
    const wanted = names
      .filter((n) => n.startsWith("l/"))
      .sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
    const all = await metadata().list("l/");
    expect(all.map((e) => e.key)).toEqual(wanted);
    for (const { modified } of all) expect(Math.abs(modified - before)).toBeLessThan(60_000);
    const paged: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await metadata().list("l/", { limit: 2, ...(after === undefined ? {} : { after }) });
      paged.push(...page.map((e) => e.key));
      after = page.at(-1)?.key;
      if (page.length < 2) break;
    }
    expect(paged).toEqual(wanted);
    expect((await metadata().list("l/", { after: "l/a/" })).map((e) => e.key)[0]).toBe("l/a/c");
    expect(await metadata().list("nothing/")).toEqual([]);
  });

  test("what is created once is not created again", async () => {
    expect(await metadata().create("once", "first")).toBe(true);
    expect(await metadata().create("once", "second")).toBe(false);
    expect((await metadata().get("once"))?.toString()).toBe("first");
  });
}

function racesContract(storage: () => Storage): void {
  test("of many that create one record at once one succeeds, and its value counts", async () => {
    expect(storage().atomicCreate).toBe(true);
    const { metadata } = storage();
    const made = await Promise.all(Array.from({ length: 12 }, (_, i) => metadata.create("raced", `${i}`)));
    expect(made.filter(Boolean)).toHaveLength(1);
    expect((await metadata.get("raced"))?.toString()).toBe(`${made.indexOf(true)}`);
  });

  test("data that is removed while it is read gives its bytes or fails, never others", async () => {
    const { data } = storage();
    const id = randomUUID();
    const bytes = Buffer.from(Array.from({ length: 10_000 }, (_, i) => i % 251));
    await data.append(id, 0, pieces(bytes, 1000));
    const sealed = await data.seal(id, bytes.byteLength);
    const got: Uint8Array[] = [];
    let removed = false;
    const reading = (async () => {
      for await (const piece of data.read(sealed.data, { start: 0, end: bytes.byteLength })) {
        got.push(Buffer.from(piece));
        if (!removed) await data.remove(sealed.data);
        removed = true;
      }
    })();
    const outcome = await reading.then(
      () => "whole",
      (error: { kind?: string }) => error.kind,
    );
    const read = Buffer.concat(got);
    expect(read.equals(bytes.subarray(0, read.byteLength))).toBe(true);
    expect(outcome).toBe(read.byteLength === bytes.byteLength ? "whole" : "not-found");
  });
}

function dataContract(data: () => Storage["data"]): void {
  test("data grows, is sealed, and is read in parts across its pieces", async () => {
    const id = randomUUID();
    expect(await data().size(id)).toBeUndefined();
    const bytes = Buffer.from(Array.from({ length: 10_000 }, (_, i) => i % 251));
    expect(await data().append(id, 0, pieces(bytes.subarray(0, 3000), 700))).toBe(3000);
    expect(await data().append(id, 3000, pieces(bytes.subarray(3000), 4096))).toBe(10_000);
    expect(await data().size(id)).toBe(10_000);
    const sealed = await data().seal(id, 10_000);
    expect(sealed.own).toBe(true);
    expect(await data().seal(id, 10_000)).toEqual(sealed);
    for (const span of [
      { start: 0, end: 10_000 },
      { start: 2999, end: 3001 },
      { start: 5, end: 9_999 },
      { start: 9_999, end: 10_000 },
    ]) {
      const wanted = bytes.subarray(span.start, span.end);
      expect((await wholeOf(data().read(sealed.data, span))).equals(wanted)).toBe(true);
      const body = await new Response(await data().body(sealed.data, span)).arrayBuffer();
      expect(Buffer.from(body).equals(wanted)).toBe(true);
    }
    expect(data().seal(id, 9_999)).rejects.toThrow();
  });

  test("nothing at all is data too", async () => {
    const id = randomUUID();
    await data().append(id, 0, pieces(Buffer.alloc(0), 1));
    const sealed = await data().seal(id, 0);
    expect((await wholeOf(data().read(sealed.data, { start: 0, end: 0 }))).byteLength).toBe(0);
  });
}

function unfinishedContract(data: () => Storage["data"]): void {
  test("a source that fails leaves what had come, and the next goes on from there", async () => {
    const id = randomUUID();
    const failing = (async function* () {
      yield Buffer.from("12345");
      throw new Error("cut off");
    })();
    const why = await data()
      .append(id, 0, failing)
      .catch((error: Error) => error.message);
    expect(why).toBe("cut off");
    const at = (await data().size(id)) ?? 0;
    expect(at).toBe(5);
    expect(await data().append(id, at, pieces(Buffer.from("6789"), 4))).toBe(9);
    const sealed = await data().seal(id, 9);
    expect((await wholeOf(data().read(sealed.data, { start: 0, end: 9 }))).toString()).toBe("123456789");
  });

  test("what is removed is gone, from the list as well; what is not there may be removed", async () => {
    const [a, b] = [randomUUID(), randomUUID()];
    for (const id of [a, b]) await data().append(id, 0, pieces(Buffer.from(id), 10));
    const sealed = await data().seal(a, 36);
    const ids = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const { id } of data().list()) found.push(id);
      return found;
    };
    expect(await ids()).toEqual(expect.arrayContaining([a, b]));
    await data().remove(sealed.data);
    await data().remove(b);
    await data().remove(b);
    const left = await ids();
    expect(left).not.toContain(a);
    expect(left).not.toContain(b);
    expect(data().body(sealed.data, { start: 0, end: 36 })).rejects.toThrow();
  });
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

async function wholeOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}
