import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dockerArchive, OciLayout, type TarInput, tar } from "../../src/image/fixture.ts";
import { digestOf } from "../../src/spec/digest.ts";
import { type Descriptor, MediaType } from "../../src/spec/oci.ts";
import { LocalRegistry } from "../../src/testing/local-registry.ts";
import { berth } from "./harness.ts";

// `berth copy` of what is damaged, lies, or wants to be somewhere else: an error each, and nothing at the destination.

const base = tar({ name: "base", data: Buffer.alloc(1 << 20, "base ") });
const layer = digestOf(base);
let one: LocalRegistry;
let two: LocalRegistry;
let folder = "";

beforeAll(async () => {
  [one, two] = [await LocalRegistry.start(), await LocalRegistry.start()];
  await one.putImage("app", "1", { layers: [base] });
});
afterAll(async () => {
  await one[Symbol.asyncDispose]();
  await two[Symbol.asyncDispose]();
});
beforeEach(() => {
  for (const registry of [one, two]) registry.intercept = () => undefined;
  if (folder !== "") rmSync(folder, { recursive: true });
  folder = mkdtempSync(join(tmpdir(), "copy-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string): string => join(folder, name);
const copy = (...argv: string[]) => berth(["copy", "-q", ...argv]);
let fresh = 0;

/** Copies to each kind of place: everywhere an error, the same words, and nothing there. */
async function refusedEverywhere(source: string, words: string): Promise<void> {
  const name = `bad/r${++fresh}`;
  const before = readdirSync(folder).sort();
  for (const to of [`${two.host}/${name}:1`, `oci:${file("lay")}`, `oci-archive:${file("out.tar")}`]) {
    const { code, out, err } = await copy(source, to);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(words);
    expect(err.trim().split("\n")).toHaveLength(1);
  }
  expect(readdirSync(folder).sort()).toEqual(before);
  expect(await two.manifest(name, "1")).toBeUndefined();
}

describe("a registry that sends", () => {
  const other = Buffer.alloc(base.length, "evil");
  const endless = () => new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(1 << 16)) });
  test.each([
    ["other bytes", () => new Response(other), "digest mismatch: want sha256:"],
    ["too few", () => new Response(base.subarray(0, 1000)), "fewer than the 1050112 bytes"],
    ["too many", () => new Response(Buffer.concat([base, base])), "more than the 1050112 bytes"],
    ["no end", () => new Response(endless()), "has more than"],
    ["nothing", () => new Response(null, { status: 404 }), `blob ${layer}`],
  ])("%s for a layer", async (_, answer, words) => {
    const put: string[] = [];
    one.intercept = (_request, path) => (path.endsWith(`/blobs/${layer}`) ? answer() : undefined);
    two.intercept = (request, path) => {
      if (request.method === "PUT" && path.includes("/uploads/")) put.push(request.url);
      return undefined;
    };
    await refusedEverywhere(`${one.host}/app:1`, words);
    // The upload is never finished, so that the other side does not have to find out.
    expect(put.filter((url) => url.includes(encodeURIComponent(layer)) || url.includes(layer))).toEqual([]);
    expect(await two.blob(`bad/r${fresh}`, layer)).toBeUndefined();
  });

  test("a manifest that is not that of the digest", async () => {
    one.intercept = (_, path) =>
      path.includes("/manifests/sha256:") ? Response.json({ schemaVersion: 2 }) : undefined;
    const found = await one.manifest("app", "1");
    await refusedEverywhere(`${one.host}/app@${found?.digest}`, "manifest verification failed for digest");
  });

  test("indexes inside indexes inside indexes", async () => {
    const made = new Map<string, Buffer>();
    let manifests: Descriptor[] = [];
    for (let depth = 0; depth < 12; depth++) {
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests }));
      manifests = [{ mediaType: MediaType.index, digest: digestOf(bytes), size: bytes.length }];
      made.set(digestOf(bytes), bytes);
    }
    one.intercept = (_, path) => {
      const bytes = path.includes("/manifests/") ? made.get(path.split("/").at(-1) ?? "") : undefined;
      return bytes && new Response(bytes, { headers: { "Content-Type": MediaType.index } });
    };
    await refusedEverywhere(`${one.host}/app@${manifests[0]?.digest}`, "indexes inside indexes, more than 8 deep");
  });

  test("an index that names what it does not have: told, with the platforms that it names", async () => {
    const missing = { mediaType: MediaType.manifest, digest: digestOf(Buffer.from("gone")), size: 4 };
    const manifests = [{ ...missing, platform: { os: "linux", architecture: "s390x" } }];
    one.intercept = (_, path) =>
      path.endsWith("/manifests/sparse")
        ? Response.json(
            { schemaVersion: 2, mediaType: MediaType.index, manifests },
            { headers: { "Content-Type": MediaType.index } },
          )
        : undefined;
    await refusedEverywhere(
      `${one.host}/app:sparse`,
      `names manifest ${missing.digest}, which ${one.host}/app:sparse does not have`,
    );
  });

  test("a layer of two sizes, and one of a size that no file has", async () => {
    const serve = (layers: object[]): void => {
      const config = { mediaType: MediaType.config, digest: layer, size: base.length };
      one.intercept = (_, path) =>
        path.endsWith("/manifests/odd")
          ? Response.json(
              { schemaVersion: 2, mediaType: MediaType.manifest, config, layers },
              { headers: { "Content-Type": MediaType.manifest } },
            )
          : undefined;
    };
    serve([{ mediaType: MediaType.layer, digest: layer, size: 7 }]);
    await refusedEverywhere(`${one.host}/app:odd`, `two sizes of ${layer} are told`);
    serve([{ mediaType: MediaType.layer, digest: digestOf(Buffer.from("x")), size: 2 ** 60 }]);
    await refusedEverywhere(`${one.host}/app:odd`, "must be a number of bytes");
  });
});

test("a destination that refuses the manifest, or a blob: its words, and no tag", async () => {
  for (const part of ["/manifests/", "/uploads/"]) {
    const name = `bad/r${++fresh}`;
    two.intercept = (request, path) =>
      path.includes(part) && ["PUT", "PATCH"].includes(request.method)
        ? Response.json({ errors: [{ code: "DENIED", message: "quota of team exceeded" }] }, { status: 507 })
        : undefined;
    const { code, err } = await copy(`${one.host}/app:1`, `${two.host}/${name}:1`);
    expect([code, err]).toEqual([1, expect.stringContaining("denied: quota of team exceeded")]);
    expect(await two.manifest(name, "1")).toBeUndefined();
  }
});

test("a destination whose connections fail in the middle gets the rest, not all again", async () => {
  const big = tar({ name: "big", data: Buffer.alloc(24 << 20, "big ") });
  await one.putImage("big", "1", { layers: [big] });
  const digest = digestOf(big);
  const name = `flaky/r${++fresh}`;
  const ranges: string[] = [];
  let cut = false;
  two.intercept = async (request, path) => {
    const range = request.headers.get("content-range");
    if (range) ranges.push(range);
    if (request.method !== "PATCH" || range || cut) return undefined;
    const body = Buffer.from(await request.arrayBuffer());
    cut = body.length > 12 << 20;
    const answer = await two.send("PATCH", path, body.subarray(0, 12 << 20));
    return cut ? new Response(null, { status: 502 }) : answer;
  };
  const done = await berth(["copy", `${one.host}/big:1`, `${two.host}/${name}:1`]);
  expect(done.code).toBe(0);
  expect(done.err).toContain(`${digest.slice(7, 19)}: Retrying in 1 second\n`);
  expect(await two.blob(name, digest)).toEqual(big);
  expect(ranges).toEqual([`${12 << 20}-${big.length - 1}`]);
}, 300_000);

describe("an archive", () => {
  /** An OCI archive of one image, with whatever else. */
  function archive(change: { entries?: (all: TarInput[]) => TarInput[]; more?: TarInput[] } = {}): string {
    const layout = new OciLayout();
    const image = layout.image([base]);
    const whole = [...layout.entries];
    layout.entries.splice(0, layout.entries.length, ...(change.entries?.(whole) ?? whole));
    writeFileSync(file("bad.tar"), layout.archive([image], change.more));
    return `oci-archive:${file("bad.tar")}`;
  }
  const named = `blobs/${layer.replace(":", "/")}`;
  const replaced = (data: string | Uint8Array) => (all: TarInput[]) =>
    all.map((entry) => (entry.name === named ? { name: named, data } : entry));

  test("whose blob is not what it is called", async () => {
    await refusedEverywhere(archive({ entries: replaced(Buffer.alloc(base.length)) }), "digest mismatch: want");
  });
  test("whose blob is shorter than its descriptor says", async () => {
    await refusedEverywhere(archive({ entries: replaced("short") }), "size mismatch");
  });
  test("without one of its blobs", async () => {
    const without = (all: TarInput[]) => all.filter((entry) => entry.name !== named);
    await refusedEverywhere(archive({ entries: without }), `does not have ${layer}`);
  });
  test("whose blob is a link out of it", async () => {
    writeFileSync(file("secret"), base);
    const link = (all: TarInput[]) =>
      all.map((entry) => (entry.name === named ? { name: named, symlink: file("secret") } : entry));
    await refusedEverywhere(archive({ entries: link }), `does not have ${layer}`);
    const loop = (all: TarInput[]) => all.map((entry) => (entry.name === named ? { name: named, link: named } : entry));
    await refusedEverywhere(archive({ entries: loop }), `does not have ${layer}`);
  });
  test.each(["../climb", "/abs", "a/../../climb"])("with an entry called %s", async (name) => {
    await refusedEverywhere(archive({ more: [{ name, data: "x" }] }), "points outside of it");
  });
  test("whose index.json is huge", async () => {
    const data = Buffer.alloc(5 << 20, " ");
    await refusedEverywhere(archive({ more: [{ name: "index.json", data }] }), "index.json has 5242880 bytes, at most");
  });
  test.each([
    ["{", "not valid JSON"],
    ["[]", "must be an object"],
    ['{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"sha256:../..","size":1}]}', "must be a sha256 digest"],
    ['{"schemaVersion":2,"manifests":[]}', "has no image"],
  ])("whose index.json is %s", async (data, words) => {
    await refusedEverywhere(archive({ more: [{ name: "index.json", data }] }), words);
  });
  test("that is cut off, or no tar, or empty", async () => {
    const whole = archive();
    const bytes = await Bun.file(file("bad.tar")).bytes();
    writeFileSync(file("bad.tar"), bytes.subarray(0, bytes.length - 200_000));
    await refusedEverywhere(whole, "invalid tar archive: it ends in the middle of");
    writeFileSync(file("bad.tar"), "no tar at all, but long enough for a header".repeat(100));
    await refusedEverywhere(whole, "invalid tar archive");
    writeFileSync(file("bad.tar"), "");
    await refusedEverywhere(whole, "is no image archive: it is empty");
  });
  test("that is a pipe nobody writes to the end", async () => {
    expect(spawnSync("mkfifo", [file("pipe")]).status).toBe(0);
    const writer = Bun.spawn(["sh", "-c", 'printf x > "$0"', file("pipe")]);
    const { code, err } = await copy(`oci-archive:${file("pipe")}`, `oci:${file("lay")}`);
    expect([code, err]).toEqual([1, expect.stringContaining("invalid tar archive")]);
    expect(await writer.exited).toBe(0);
  });

  test.each([
    [{ Config: "../../etc/passwd", Layers: [] }, "which the archive does not have"],
    [{ Config: "config.json", Layers: ["/etc/passwd"] }, "which the archive does not have"],
    [{ Config: "config.json", Layers: ["../x"] }, "which the archive does not have"],
    [{ Config: "manifest.json", Layers: [] }, "must be an object"],
    [{ Layers: [] }, "Config: must be set"],
  ])("of docker whose manifest.json is %j", async (item, words) => {
    const bytes = tar(
      { name: "config.json", data: '{"rootfs":{"type":"layers","diff_ids":[]}}' },
      { name: "manifest.json", data: JSON.stringify([item]) },
    );
    writeFileSync(file("bad.tar"), bytes);
    await refusedEverywhere(`docker-archive:${file("bad.tar")}`, words);
  });
  test("of docker with a layer that registries do not take", async () => {
    const bz = Buffer.concat([Buffer.from("BZh9"), base]);
    writeFileSync(file("bad.tar"), dockerArchive({ layers: [base], stored: [bz] }));
    await refusedEverywhere(
      `docker-archive:${file("bad.tar")}`,
      "is compressed with bzip2 (registries take gzip and zstd)",
    );
  });
});

test("a folder whose blob is no file, or whose index.json leads out of it", async () => {
  await copy(`${one.host}/app:1`, `oci:${file("src")}`);
  const blob = file(`src/blobs/${layer.replace(":", "/")}`);
  rmSync(blob);
  mkdirSync(blob);
  await refusedEverywhere(`oci:${file("src")}`, `does not have ${layer}`);
  rmSync(blob, { recursive: true });
  expect(spawnSync("mkfifo", [blob]).status).toBe(0);
  await refusedEverywhere(`oci:${file("src")}`, `does not have ${layer}`);
  rmSync(file("src/index.json"));
  symlinkSync("/dev/zero", file("src/index.json"));
  await refusedEverywhere(`oci:${file("src")}`, "is no OCI layout: it has no index.json");
});
