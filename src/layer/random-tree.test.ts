import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { encodeName } from "../spec/names.ts";
import { openRecords } from "../store/records.ts";
import { chunks, sh, tempDir } from "../testing/tar-kit.ts";
import { type PackOptions, packTree } from "./pack.ts";
import { openLayerStore } from "./store.ts";
import type { ChainId, LayerStore, RootView } from "./types.ts";
import { unpackTar } from "./unpack.ts";

const MAKER = join(import.meta.dir, "testdata/random_tree.py");
const PLAIN: PackOptions = { whiteouts: "plain", subSecond: true };
/** One in `npm test`, as many as one likes with BERTH_TREES. */
const seeds = Array.from({ length: Number(process.env["BERTH_TREES"] ?? 1) }, (_, i) => i + 1);

async function pack(dir: string, options: PackOptions): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(packTree(dir, options)));
}

async function unpack(tar: Uint8Array, dir: string, chunk?: number): Promise<string> {
  mkdirSync(dir);
  await unpackTar(chunks(tar, chunk), dir, { whiteouts: "plain" });
  return dir;
}

/** What a tree is, a line per entry: what a view shows, then hard links, digest, device, attributes and time. */
function described(listing: Buffer): string[] {
  const parts = listing.toString("latin1").split("\0");
  return parts.flatMap((line, i) => (i % 2 === 0 && line !== "" ? [`${line}\0${parts[i + 1]}`] : [])).sort();
}

function listed(dir: string, ...times: "times"[]): string[] {
  return described(sh(["python3", MAKER, "list", dir, ...times]));
}

describe("random trees with hard names, links, devices, holes and attributes", () => {
  test.each(seeds)("seed %d: packed and unpacked it is the same, for us and for GNU tar", async (seed) => {
    using dir = tempDir();
    const at = (name: string): string => join(dir.path, name);
    sh(["python3", MAKER, "make", String(seed), at("t"), "hard"]);
    const tar = await pack(at("t"), PLAIN);
    const before = listed(at("t"), "times");
    expect(listed(await unpack(tar, at("ours"), 1 + seed * 777), "times")).toEqual(before);
    expect((await pack(at("ours"), PLAIN)).equals(tar)).toBe(true);

    mkdirSync(at("gnu"));
    sh(["tar", "--xattrs", "--xattrs-include=*", "-C", at("gnu"), "-xpf", "-"], { input: tar });
    expect(listed(at("gnu"), "times")).toEqual(before);

    for (const format of ["posix", "gnu"]) {
      const how = format === "posix" ? ["--xattrs", "--xattrs-include=*"] : ["--numeric-owner"];
      const theirs = sh(["tar", `--format=${format}`, "-S", ...how, "-C", at("t"), "-cf", "-", "."]);
      const out = await unpack(theirs, at(`their-${format}`));
      if (format === "posix") expect(listed(out, "times")).toEqual(before);
      else expect(listed(out).map(withoutXattrs)).toEqual(listed(at("t")).map(withoutXattrs));
    }
  });

  test("a tar that was cut anywhere is refused, and is no layer", async () => {
    using dir = tempDir();
    using store = openStore(join(dir.path, "s"));
    sh(["python3", MAKER, "make", "3", join(dir.path, "t"), "hard"]);
    const tar = await pack(join(dir.path, "t"), { whiteouts: "overlay" });
    for (let i = 1; i <= 12; i++) {
      const cut = tar.subarray(0, Math.floor((tar.length - 1024) * (i / 13)));
      await expect(store.layers.applyStream(chunks(cut), {})).rejects.toThrow();
    }
    expect(store.layers.list()).toEqual([]);
    expect(readdirSync(join(dir.path, "s/layers/tmp"))).toEqual([]);
  });
});

interface Store extends Disposable {
  layers: LayerStore;
}

function openStore(root: string): Store {
  mkdirSync(root);
  const records = openRecords(join(root, "db"));
  const layers = openLayerStore({ root: join(root, "layers"), records });
  return { layers, [Symbol.dispose]: () => records.close() };
}

/** GNU's own format has no attributes. */
function withoutXattrs(line: string): string {
  return line.replace(/ (user|trusted)\.[\s\S]*$/, "").trimEnd();
}

/** Mounts a stack, changes it where `seed` is given, and returns what is seen in the mount. */
function mounted(cwd: string, mount: { base: string; lower: string[] }, seed?: number): string[] {
  const layers = mount.lower.map((l) => join(mount.base, l)).join(":");
  const upper = seed === undefined ? "" : ",upperdir=up,workdir=work";
  const lower = seed === undefined && mount.lower.length === 1 ? `${layers}:empty` : layers;
  const change = seed === undefined ? "" : `python3 ${MAKER} change ${seed} m;`;
  const text = `mkdir -p m empty up work; mount -t overlay o -o lowerdir=${lower}${upper} m; ${change} python3 ${MAKER} list m`;
  return described(sh(["unshare", "-m", "--propagation", "private", "bash", "-euc", text], { cwd }));
}

function viewed(view: RootView, dir = ""): string[] {
  const types = { file: 0o100000, dir: 0o040000, symlink: 0o120000, char: 0o020000, block: 0o060000, fifo: 0o010000 };
  return view.readdir(dir || "/").flatMap((name) => {
    const path = `${dir}/${name}`;
    const e = view.lstat(path);
    if (!e) return [`${path} is missing`];
    const mode = (types[e.type] | (e.mode & 0o7777)).toString(8);
    const bytes = (text: string): string => Buffer.from(encodeName(text)).toString("latin1");
    const line = [bytes(path), mode, `${e.uid}:${e.gid}`, e.type === "dir" ? "" : String(e.size), bytes(e.link ?? "")];
    return [line.join(" "), ...(e.type === "dir" ? viewed(view, path) : [])];
  });
}

describe("random changes in a real overlay", () => {
  test.each(seeds)(
    "seed %d: committed, moved to another store and mounted again it is what the container saw",
    async (seed) => {
      using dir = tempDir();
      using first = openStore(join(dir.path, "one"));
      using second = openStore(join(dir.path, "two"));
      sh(["python3", MAKER, "make", String(seed), join(dir.path, "low")]);
      const low = await pack(join(dir.path, "low"), { whiteouts: "overlay" });
      let top: ChainId = (await first.layers.applyStream(chunks(low), {})).chainId;
      let copy: ChainId = (await second.layers.applyStream(chunks(low, 999), {})).chainId;
      expect(copy).toBe(top);
      for (const round of [1, 2]) {
        const folder = join(dir.path, `round${round}`);
        mkdirSync(folder);
        const seen = mounted(folder, first.layers.mount(top), seed * 100 + round);
        const shown = seen.map((line) => line.split("\0", 1)[0] ?? "").sort();
        expect(viewed(first.layers.view(top, join(folder, "up"))).sort()).toEqual(shown);
        const made = await first.layers.commit(join(folder, "up"), { parent: top, move: round === 1 });
        expect(viewed(first.layers.view(made.chainId)).sort()).toEqual(shown);
        const tar = Buffer.concat(await Array.fromAsync(first.layers.diff(made.chainId)));
        expect(`sha256:${createHash("sha256").update(tar).digest("hex")}`).toBe(made.diffId);
        const moved = await second.layers.applyStream(chunks(gunzipSync(gzipSync(tar))), {
          parent: copy,
          diffId: made.diffId,
        });
        expect(moved.chainId).toBe(made.chainId);
        expect(moved.size).toBe(made.size);
        for (const [store, chain] of [
          [first, made.chainId],
          [second, moved.chainId],
        ] as const) {
          const again = join(dir.path, `${round}-${store === first ? "one" : "two"}-again`);
          mkdirSync(again);
          const after = mounted(again, store.layers.mount(chain));
          expect(after).toEqual(seen);
        }
        [top, copy] = [made.chainId, moved.chainId];
      }
    },
  );
});
