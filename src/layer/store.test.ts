import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { Digest } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import { openRecords } from "../store/records.ts";
import type { Records } from "../store/types.ts";
import { chunks, fingerprint, script, sh, tarOf, tempDir } from "../testing/tar-kit.ts";
import { chainIdOf } from "./chain.ts";
import { openLayerStore } from "./store.ts";
import { encodeHeader, tarHeader } from "./tar/writer.ts";
import type { LayerStore } from "./types.ts";

const digest = (data: Uint8Array): Digest => `sha256:${createHash("sha256").update(data).digest("hex")}`;

interface Bench {
  path: string;
  root: string;
  records: Records;
  store: LayerStore;
  /** A second open of the same root, as after a restart of the daemon. */
  reopen(): LayerStore;
  write(name: string, data: Uint8Array): string;
}

function bench(): Bench & Disposable {
  const dir = tempDir();
  const root = join(dir.path, "layers");
  const records = openRecords(join(dir.path, "db"));
  return {
    path: dir.path,
    root,
    records,
    store: openLayerStore({ root, records }),
    reopen: () => openLayerStore({ root, records }),
    write(name, data) {
      writeFileSync(join(dir.path, name), data);
      return join(dir.path, name);
    },
    [Symbol.dispose]() {
      records.close();
      dir[Symbol.dispose]();
    },
  };
}

async function error(promise: Promise<unknown>): Promise<BerthError> {
  const e = await promise.then(
    () => new Error("it worked"),
    (e: unknown) => e,
  );
  expect(e).toBeInstanceOf(BerthError);
  return e as BerthError;
}

/** Nothing but the recorded layers is there. */
function expectClean({ root, store }: Bench): void {
  const expected = ["empty", "tmp", ...store.list().map((r) => r.short)];
  expect(readdirSync(root).sort()).toEqual(expected.sort());
  expect(readdirSync(join(root, "tmp"))).toEqual([]);
}

const BASE = await tarOf([
  { path: "etc/", type: "dir", mode: 0o755 },
  { path: "etc/passwd", body: "root:x:0:0\n" },
  { path: "bin/sh", body: "#!", mode: 0o755 },
]);
const TOP = await tarOf([
  { path: "bin/.wh.sh", mode: 0o600 },
  { path: "bin/bash", body: "bash" },
]);

describe("apply", () => {
  test("from files, in workers: plain, gzip and zstd, both layers at once; the record says it all", async () => {
    using b = bench();
    const base = digest(BASE);
    const seen: [number, number | undefined][] = [];
    const file = b.write("base.tar.gz", gzipSync(BASE));
    const [one, two] = await Promise.all([
      b.store.applyFile(file, { diffId: base, blob: digest(gzipSync(BASE)), progress: (...p) => seen.push(p) }),
      b.store.applyFile(b.write("top.zst", zstdCompressSync(TOP)), { parent: base, diffId: digest(TOP) }),
    ]);
    expect(one).toMatchObject({ chainId: base, diffId: base, size: 13, blob: digest(gzipSync(BASE)) });
    expect(two).toMatchObject({ chainId: chainIdOf(base, digest(TOP)), parent: base, size: 4 });
    expect(seen.at(-1)).toEqual([statSync(file).size, statSync(file).size]);
    expect(b.store.chain(two.chainId).map((r) => r.diffId)).toEqual([digest(TOP), base]);
    const view = b.store.view(two.chainId);
    expect(view.readdir("/bin")).toEqual(["bash"]);
    expect(view.readFile("/etc/passwd")?.toString()).toBe("root:x:0:0\n");
    expectClean(b);
    expect(b.reopen().list()).toEqual(b.store.list());
  });

  test("from a stream without knowing its digest; the same again gives the same record", async () => {
    using b = bench();
    const first = await b.store.applyStream(chunks(BASE), {});
    expect(first.diffId).toBe(digest(BASE));
    expect(await b.store.applyStream(chunks(BASE), {})).toEqual(first);
    expect(await b.store.applyFile("/nowhere", { diffId: first.diffId })).toEqual(first);
    expect(b.store.list()).toHaveLength(1);
    expectClean(b);
  });

  test("ten at once of one chain unpack it once", async () => {
    using b = bench();
    let streams = 0;
    const once = async function* (): AsyncGenerator<Uint8Array> {
      streams += 1;
      yield* chunks(BASE, 100);
    };
    const all = await Promise.all(
      Array.from({ length: 10 }, () => b.store.applyStream(once(), { diffId: digest(BASE) })),
    );
    expect(streams).toBe(1);
    expect(new Set(all).size).toBe(1);
    await Promise.all(Array.from({ length: 4 }, () => b.store.applyStream(chunks(TOP), { parent: digest(BASE) })));
    expect(b.store.list()).toHaveLength(2);
    expectClean(b);
  });

  test("what fails leaves nothing: wrong digest, truncated, hostile, no parent, no file", async () => {
    using b = bench();
    const zeros = `sha256:${"0".repeat(64)}` as const;
    const climbing = await tarOf([{ path: "../x" }]);
    const cases: [() => Promise<unknown>, string, RegExp][] = [
      [
        () => b.store.applyFile(b.write("a", gzipSync(BASE)), { diffId: zeros }),
        "invalid-argument",
        /verification failed.*sha256:0000/,
      ],
      [
        () => b.store.applyFile(b.write("b", gzipSync(BASE).subarray(0, -30)), {}),
        "invalid-argument",
        /gzip data is damaged/,
      ],
      [() => b.store.applyFile(b.write("c", BASE.subarray(0, 1025)), {}), "invalid-argument", /ends in the middle/],
      [() => b.store.applyFile(b.write("d", climbing), {}), "invalid-argument", /climbs out/],
      [() => b.store.applyFile(b.write("e", Buffer.from("no tar".repeat(200))), {}), "invalid-argument", /checksum/],
      [() => b.store.applyFile(join(b.path, "missing"), {}), "internal", /missing/],
      [() => b.store.applyStream(chunks(TOP), { parent: zeros }), "not-found", /sha256:0000.* does not exist/],
      [() => b.store.applyStream(chunks(TOP), { diffId: zeros }), "invalid-argument", /verification failed/],
    ];
    for (const [attempt, kind, text] of cases) {
      const e = await error(attempt());
      expect(e.message).toMatch(text);
      expect(e.message).not.toContain("\n");
      expect(e.kind as string).toBe(kind);
    }
    expect(b.store.list()).toEqual([]);
    expectClean(b);
  });

  test("a child fails with its parent, and works once the parent does", async () => {
    using b = bench();
    const bad = error(b.store.applyStream(chunks(BASE.subarray(0, 1025)), { diffId: digest(BASE) }));
    const child = error(b.store.applyStream(chunks(TOP), { parent: digest(BASE), diffId: digest(TOP) }));
    expect((await bad).kind).toBe("invalid-argument");
    expect((await child).kind).toBe("not-found");
    await b.store.applyStream(chunks(BASE), {});
    await b.store.applyStream(chunks(TOP), { parent: digest(BASE), diffId: digest(TOP) });
    expect(b.store.list()).toHaveLength(2);
  });
});

describe("killed", () => {
  /** Unpacks an archive without an end from a pipe, so that the worker is surely in the middle of it. */
  const endless = (b: Bench): { apply: Promise<unknown>; worker: Promise<number>; feed: Bun.Subprocess } => {
    const before = new Set(children());
    script("mkfifo pipe", b.path);
    const apply = b.store.applyFile(join(b.path, "pipe"), {});
    const feed = Bun.spawn(["bash", "-c", `exec 3> pipe; cat >&3; exec sleep 1000`], {
      cwd: b.path,
      stdin: new Blob([BASE.subarray(0, 1536)]),
      stderr: "ignore",
    });
    const unpacked = async (): Promise<number> => {
      for (;;) {
        const [tmp] = readdirSync(join(b.root, "tmp"));
        const pid = children().find((p) => !before.has(p) && p !== feed.pid);
        if (pid && tmp && existsSync(join(b.root, "tmp", tmp, "diff/etc/passwd"))) return pid;
        await Bun.sleep(5);
      }
    };
    return { apply, worker: unpacked(), feed };
  };
  const children = (): number[] =>
    readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);

  test("a worker in the middle of a layer: one error, nothing left", async () => {
    using b = bench();
    const { apply, worker, feed } = endless(b);
    const outcome = error(apply);
    process.kill(await worker, "SIGKILL");
    expect((await outcome).message).toMatch(/worker ended early, by SIGKILL/);
    feed.kill("SIGKILL");
    await feed.exited;
    expect(b.store.list()).toEqual([]);
    expectClean(b);
  });

  test("the daemon at any point: the next one finds whole layers only", async () => {
    using b = bench();
    const kept = await b.store.applyStream(chunks(BASE), {});
    const lost = await b.store.applyStream(chunks(TOP), { parent: kept.chainId });
    script(
      `mkdir -p layers/tmp/0123/diff layers/deadbeef/diff; echo half > layers/tmp/0123/diff/x; rm -r layers/${lost.short}`,
      b.path,
    );
    const store = b.reopen();
    expect(store.list()).toEqual([kept]);
    expectClean({ ...b, store });
    expect(store.view(kept.chainId).readdir("/bin")).toEqual(["sh"]);
  });

  test.each(["tar", "tree"])("a worker ends when its daemon does (%s)", async (kind) => {
    using b = bench();
    const code = `process.exit(await (await import(${JSON.stringify(join(import.meta.dir, "worker.ts"))})).runUnpackWorker());`;
    const endless = encodeHeader(tarHeader({ path: "huge", size: 2 ** 33 - 1024 }));
    script(`mkdir t huge; truncate -s 8G ${b.write("huge.tar", endless)} huge/file`, b.path);
    const source = kind === "tar" ? { tar: join(b.path, "huge.tar") } : { tree: join(b.path, "huge") };
    const worker = Bun.spawn([process.execPath, "-e", code], { stdin: "pipe", stdout: "pipe", cwd: b.path });
    worker.stdin.write(`${JSON.stringify({ source, target: join(b.path, "t") })}\n`);
    await worker.stdin.end();
    expect(await worker.exited).toBe(1);
    expect(await worker.stdout.text()).not.toMatch(/done":\{|error/);
  });
});

describe("commit", () => {
  const UPPER = `mkdir -p up/d; echo hello > up/d/f; ln up/d/f up/hard; mknod up/gone c 0 0; chown 5:6 up/d; touch -d '2020-01-01 00:00:00.123' up/d/f`;

  test.each([true, false])(
    "takes an upper folder (move: %p); diff gives exactly the bytes of its diff id, ever after",
    async (move) => {
      using b = bench();
      const base = await b.store.applyStream(chunks(BASE), {});
      script(UPPER, b.path);
      const upper = join(b.path, "up");
      const before = fingerprint(upper);
      const record = await b.store.commit(upper, { parent: base.chainId, move });
      expect(existsSync(upper)).toBe(!move);
      expect(record).toMatchObject({ parent: base.chainId, chainId: chainIdOf(base.chainId, record.diffId), size: 6 });
      if (move) expect(fingerprint(join(b.root, record.short, "diff")).equals(before)).toBe(true);
      for (const store of [b.store, b.reopen()]) {
        const tar = Buffer.concat(await Array.fromAsync(store.diff(record.chainId)));
        expect(digest(tar)).toBe(record.diffId);
        expect(sh(["tar", "-tf", "-"], { input: tar }).toString()).toContain(".wh.gone");
      }
      expectClean(b);
    },
  );

  test("by move, by copy and from the diff's own tar it is one and the same layer", async () => {
    using b = bench();
    script(UPPER, b.path);
    const copied = await b.store.commit(join(b.path, "up"), { move: false });
    expect(await b.store.commit(join(b.path, "up"), { move: true })).toEqual(copied);
    expect(await b.store.applyStream(b.store.diff(copied.chainId), {})).toEqual(copied);
    expect(existsSync(join(b.path, "up"))).toBe(false);
    expectClean(b);
  });

  test("from another file system it is copied", async () => {
    using b = bench();
    const code = `
const { openLayerStore } = await import(${JSON.stringify(join(import.meta.dir, "store.ts"))});
const { openRecords } = await import(${JSON.stringify(join(import.meta.dir, "../store/records.ts"))});
const records = openRecords("db2");
const store = openLayerStore({ root: process.cwd() + "/layers2", records });
const r = await store.commit("m/up", { move: true });
console.log(r.size, store.view(r.chainId).readFile("d/f").toString().trim(), require("fs").existsSync("m/up"));
records.close();`;
    const run = `mkdir m; mount -t tmpfs none m; (cd m; ${UPPER}); exec "$0" -e "$1"`;
    expect(sh(["unshare", "-m", "bash", "-euc", run, process.execPath, code], { cwd: b.path }).toString()).toBe(
      "6 hello false\n",
    );
  });
});

describe("mount", () => {
  /** Mounts as the monitor does, in a mount namespace of its own, and runs a script there. */
  const mounted = (b: Bench, mount: ReturnType<LayerStore["mount"]>, text: string): string => {
    const rw = mount.upper ? `,upperdir=${mount.upper},workdir=${mount.work}` : "";
    const code = `cd ${mount.base}; mount -t overlay o -o lowerdir=${mount.lower.join(":")}${rw} ${b.path}/m; cd ${b.path}/m; ${text}`;
    mkdirSync(join(b.path, "m"), { recursive: true });
    return sh(["unshare", "-m", "bash", "-euc", code]).toString().trim();
  };

  test("no layer, one, two; with and without an upper folder", async () => {
    using b = bench();
    script("mkdir up work", b.path);
    const rw = { upper: join(b.path, "up"), work: join(b.path, "work") };
    const base = await b.store.applyStream(chunks(BASE), {});
    const top = await b.store.applyStream(chunks(TOP), { parent: base.chainId });
    expect(mounted(b, b.store.mount(undefined), "ls")).toBe("");
    expect(mounted(b, b.store.mount(base.chainId), "ls bin; touch x 2>&1 || true")).toMatch(
      /^sh\n.*Read-only file system/,
    );
    expect(mounted(b, b.store.mount(top.chainId), "ls bin")).toBe("bash");
    expect(mounted(b, b.store.mount(undefined, rw), "touch x; ls")).toBe("x");
    expect(mounted(b, b.store.mount(top.chainId, rw), "ls . bin; rm bin/bash; ls bin")).toBe(
      ".:\nbin\netc\nx\n\nbin:\nbash",
    );
    expect(b.store.view(top.chainId, rw.upper).readdir("/bin")).toEqual([]);
  });

  test("130 layers fit", async () => {
    using b = bench();
    let parent: Digest | undefined;
    const table = b.records.table("layers");
    for (let i = 0; i < 130; i += 1) {
      const short = (0xabc00000 + i).toString(16);
      mkdirSync(join(b.root, short, "diff"), { recursive: true });
      writeFileSync(join(b.root, short, "diff", `f${i}`), "");
      const chainId = digest(Buffer.from(short));
      table.put(chainId, { chainId, diffId: chainId, short, size: 0, ...(parent ? { parent } : {}) });
      parent = chainId;
    }
    script("mkdir up work", b.path);
    const mount = b.store.mount(parent, { upper: join(b.path, "up"), work: join(b.path, "work") });
    expect(mount.lower.join(":").length).toBeLessThan(2000);
    expect(mounted(b, mount, "ls | wc -l")).toBe("130");
  });
});

test("remove: not while a layer stands on it; afterwards it can come back", async () => {
  using b = bench();
  const base = await b.store.applyStream(chunks(BASE), {});
  const top = await b.store.applyStream(chunks(TOP), { parent: base.chainId });
  expect((await error(b.store.remove(base.chainId))).kind).toBe("conflict");
  await b.store.remove(top.chainId);
  await b.store.remove(base.chainId);
  expect((await error(b.store.remove(base.chainId))).kind).toBe("not-found");
  expect(() => b.store.view(base.chainId)).toThrow(/does not exist/);
  expectClean(b);
  expect(await b.store.applyStream(chunks(BASE), {})).toEqual(base);
});

test("layers whose names begin alike get folders of their own", async () => {
  using b = bench();
  const first = await b.store.applyStream(chunks(BASE), {});
  await b.store.remove(first.chainId);
  const other = digest(Buffer.from("other"));
  b.records.table("layers").put(other, { chainId: other, diffId: other, short: first.short, size: 0 });
  const again = await b.store.applyStream(chunks(BASE), {});
  expect(again.short).not.toBe(first.short);
  expect(again.short).toHaveLength(8);
});
