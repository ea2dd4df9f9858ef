import { afterEach, beforeEach, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { BerthError } from "../spec/errors.ts";
import { MediaType } from "../spec/oci.ts";
import { configFor, digestOf, dockerArchive, OciLayout, openTestStore, type TestStore, tar } from "./fixture.ts";

let store: TestStore;
let before: object;
const layer = tar({ name: "etc" }, { name: "etc/hello", data: "hello\n" });
const large = tar({ name: "large", data: Buffer.alloc(600_000, 3) });
const good = dockerArchive({ layers: [layer, large], tags: ["good:1"] });

beforeEach(async () => {
  store = openTestStore();
  await store.load(dockerArchive({ layers: [layer], tags: ["before:1"] }));
  before = store.snapshot();
});
afterEach(() => store.close());

/** The one line that a load fails with, once it is sure that the store is as it was. */
async function refused(archive: Uint8Array, options: { platform?: string } = {}): Promise<string> {
  const error: unknown = await store.load(archive, options).then(
    (lines) => new Error(`loaded: ${lines}`),
    (e: unknown) => e,
  );
  if (!(error instanceof BerthError)) throw error;
  expect(error.message).not.toContain("\n");
  expect(store.snapshot()).toEqual(before);
  return `${error.kind}: ${error.message}`;
}

/** A docker-archive with this manifest.json and these files. */
function withManifest(manifest: unknown, ...files: { name: string; data: string | Uint8Array }[]): Buffer {
  return tar(...files, { name: "manifest.json", data: JSON.stringify(manifest) });
}

test("what is no archive at all", async () => {
  expect(await refused(Buffer.from("garbage garbage"))).toStartWith("invalid-argument: invalid tar archive: ");
  expect(await refused(Buffer.alloc(70_000, 0x5a))).toStartWith("invalid-argument: invalid tar archive: ");
  expect(await refused(Buffer.alloc(0))).toContain("it has neither manifest.json nor index.json");
  expect(await refused(layer)).toContain("(for the tar of a root file system use 'import')");
});

test("a truncated archive, wherever it ends", async () => {
  for (const part of [0.1, 0.5, 0.9]) {
    expect(await refused(good.subarray(0, Math.floor(good.length * part)))).toContain("invalid tar archive: it ends");
  }
});

test("a truncated or damaged gzip", async () => {
  const zipped = gzipSync(good);
  expect(await refused(zipped.subarray(0, zipped.length / 2))).toStartWith("invalid-argument: gzip data is damaged");
  const flipped = Buffer.from(zipped);
  flipped.fill(0xff, 200, 300);
  expect(await refused(flipped)).toStartWith("invalid-argument: ");
});

test("a layer whose gzip is damaged", async () => {
  const zipped = gzipSync(large);
  const stored = [layer, zipped.subarray(0, zipped.length - 50)];
  expect(await refused(dockerArchive({ layers: [layer, large], stored, tags: ["bad:1"] }))).toContain(
    "gzip data is damaged",
  );
});

test("a layer that is not what its diff id says", async () => {
  const archive = dockerArchive({ layers: [layer, large], stored: [layer, tar({ name: "other" })], tags: ["bad:1"] });
  expect(await refused(archive)).toMatch(
    /^invalid-argument: .*has the digest sha256:[0-9a-f]+, the image says sha256:/,
  );
});

test("a layer that climbs out of its tree", async () => {
  const climbing = tar({ name: "../../../../../../tmp/berth-climbed", data: "out" });
  expect(await refused(dockerArchive({ layers: [large, climbing], tags: ["bad:1"] }))).toStartWith(
    "invalid-argument: ",
  );
});

test("an OCI blob that is not what its name says, small or large", async () => {
  for (const content of [layer, large]) {
    const layout = new OciLayout();
    const image = layout.image([content]);
    const entry = layout.entries.find((e) => e.name.endsWith(digestOf(content).slice(7)));
    if (entry) entry.data = Buffer.concat([content.subarray(0, content.length - 1), Buffer.from("!")]);
    expect(await refused(layout.archive([image]))).toContain(
      `digest mismatch: want ${digestOf(content)}, content has sha256:`,
    );
  }
});

test("parts that are missing, or lie outside", async () => {
  const item = (more: object) => [{ Config: "c.json", RepoTags: ["bad:1"], Layers: ["l.tar"], ...more }];
  const c = { name: "c.json", data: configFor([large]) };
  const l = { name: "l.tar", data: large };
  expect(await refused(withManifest(item({}), l))).toContain(
    'manifest.json names "c.json", which the archive does not have',
  );
  expect(await refused(withManifest(item({}), c))).toContain('names "l.tar", which the archive does not have');
  const outside = 'manifest.json points outside of the archive: "../../etc/passwd"';
  expect(await refused(withManifest(item({ Config: "../../etc/passwd" }), l))).toContain(outside);
  expect(await refused(withManifest(item({ Layers: ["/etc/passwd"] }), c))).toContain(
    'outside of the archive: "/etc/passwd"',
  );
  expect(await refused(withManifest(item({ Layers: [] }), c))).toContain("layers length mismatch: expected 0, got 1");
  expect(await refused(withManifest([]))).toContain("it lists no image");
  const link = tar(
    c,
    { name: "l.tar", symlink: "../../etc/passwd" },
    { name: "manifest.json", data: JSON.stringify(item({})) },
  );
  expect(await refused(link)).toContain("which the archive does not have");
  const loop = tar(c, { name: "l.tar", symlink: "l.tar" }, { name: "manifest.json", data: JSON.stringify(item({})) });
  expect(await refused(loop)).toContain("which the archive does not have");
  expect(await refused(tar({ name: "../manifest.json", data: "[]" }))).toContain("points outside of it");
});

test("JSON that is none, or has the wrong shape", async () => {
  const raw = (data: string) => tar({ name: "c.json", data: configFor([]) }, { name: "manifest.json", data });
  expect(await refused(raw("[{"))).toContain("manifest.json: not valid JSON");
  expect(await refused(raw("{}"))).toBe("invalid-argument: manifest.json: must be an array");
  expect(await refused(raw('[{"Config":7}]'))).toBe("invalid-argument: manifest.json[0].Config: must be a string");
  expect(await refused(raw('[{"Config":"c.json","RepoTags":["Upper"]}]'))).toContain("must be lowercase");
  const config = (file: object) => withManifest([{ Config: "c.json" }], { name: "c.json", data: JSON.stringify(file) });
  expect(await refused(config({}))).toMatch(/config [0-9a-f]{12}\.rootfs: must be set/);
  const rootfs = { type: "layers", diff_ids: [] };
  expect(await refused(config({ rootfs: { ...rootfs, diff_ids: ["sha256:x"] } }))).toContain("must be a sha256 digest");
  expect(await refused(config({ rootfs, config: { Env: [1] } }))).toContain(".config.Env[0]: must be a string");
  expect(await refused(config({ rootfs, os: "windows" }))).toContain("cannot load windows image on linux");
});

test("an OCI layout that lies about sizes, is no image, or goes round in circles", async () => {
  const layout = new OciLayout();
  const image = layout.image([large]);
  expect(await refused(layout.archive([{ ...image, size: 3 }]))).toContain("should have 3 bytes");
  const chart = layout.blob(
    MediaType.manifest,
    JSON.stringify({ config: layout.blob("application/vnd.cncf.helm.config.v1+json", "{}"), layers: [] }),
  );
  expect(await refused(layout.archive([chart]))).toContain("not a container image: its config is application/vnd.cncf");
  const missing = { mediaType: MediaType.manifest, digest: digestOf("nowhere"), size: 7 };
  expect(await refused(layout.archive([missing]))).toContain("the archive does not have it");
  let deep = layout.index([image]);
  for (let i = 0; i < 10; i++) deep = layout.index([deep]);
  expect(await refused(layout.archive([deep]))).toContain("indexes inside indexes");
});

test("another platform than the one asked for", async () => {
  expect(await refused(good, { platform: "linux/s390x" })).toMatch(
    /^not-found: .*the image is for linux\/amd64, not for linux\/s390x/,
  );
});

test("more files than an image has", async () => {
  const one = tar({ name: "f", data: "" }).subarray(0, 512);
  const names = Buffer.concat(
    Array.from({ length: 16_400 }, (_, i) => tar({ name: `file${i}`, data: "" }).subarray(0, one.length)),
  );
  expect(await refused(Buffer.concat([names, Buffer.alloc(1024)]))).toContain("it has more than 16384 files");
});

test("no space left: one clear error, and nothing is left", async () => {
  const script = `
    const { openTestStore, dockerArchive, tar } = await import(${JSON.stringify(`${import.meta.dir}/fixture.ts`)});
    const store = openTestStore(process.env.ROOT);
    const layer = tar({ name: "big", data: Buffer.alloc(1_500_000, 7) });
    const before = JSON.stringify(store.snapshot());
    const load = (n) => store.load(dockerArchive({ layers: Array.from({ length: n }, (_, i) => tar({ name: "f" + i, data: Buffer.alloc(1_500_000, i) })) }));
    const errors = [];
    for (const n of [1, 2, 4]) errors.push(await load(n).then(() => "none", (e) => e.kind));
    console.log(JSON.stringify({ errors, same: JSON.stringify(store.snapshot()) === before }));
    process.exit(0);`;
  // Room for records and a part of the blobs and trees; the small file system exists in the child's own mount namespace only.
  const sh = `mount -t tmpfs -o size=2560k none "$ROOT" && exec '${process.execPath}' -e "$0"`;
  const child = Bun.spawn(["unshare", "-m", "sh", "-c", sh, script], {
    stdout: "pipe",
    stderr: "inherit",
    env: { ...process.env, ROOT: store.root },
  });
  expect(JSON.parse(await new Response(child.stdout).text())).toEqual({
    errors: ["no-space", "no-space", "no-space"],
    same: true,
  });
});
