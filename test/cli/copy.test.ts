import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { dockerArchive, tar } from "../../src/image/fixture.ts";
import { digestOf } from "../../src/spec/digest.ts";
import { type Descriptor, MediaType } from "../../src/spec/oci.ts";
import { LocalRegistry } from "../../src/testing/local-registry.ts";
import { berth, type CliResult } from "./harness.ts";

// `berth copy` between two registries of ours, folders and archives.

const base = tar({ name: "base", data: Buffer.alloc(3 << 20, "base ") });
const top = tar({ name: "top", data: "top\n" });
const PLATFORMS = [
  { os: "linux", architecture: "amd64" },
  { os: "linux", architecture: "arm64", variant: "v8" },
];
let one: LocalRegistry;
let two: LocalRegistry;
let app: Descriptor;
let many: Descriptor;
let folder = "";

beforeAll(async () => {
  [one, two] = [await LocalRegistry.start(), await LocalRegistry.start()];
  app = await one.putImage("app", "1", { layers: [base, top] });
  await one.putImage("other", "2", { layers: [base], config: { author: "other" } });
  many = await one.putIndex("app", "many", PLATFORMS, [base, top]);
});
afterAll(async () => {
  await one[Symbol.asyncDispose]();
  await two[Symbol.asyncDispose]();
});
beforeEach(() => {
  for (const registry of [one, two]) {
    registry.intercept = () => undefined;
    registry.seen.length = 0;
  }
  if (folder !== "") rmSync(folder, { recursive: true });
  folder = mkdtempSync(join(tmpdir(), "copy-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const at = (registry: LocalRegistry, name: string): string => `${registry.host}/${name}`;
const file = (name: string): string => join(folder, name);
const copy = (...argv: string[]): Promise<CliResult> => berth(["copy", ...argv]);
let fresh = 0;
/** A repository that nobody has used. */
const newName = (): string => `new/r${++fresh}`;

/** Copies, and expects it to work. Returns the digest. */
async function copied(...argv: string[]): Promise<string> {
  const done = await copy("-q", ...argv);
  expect(done).toMatchObject({ code: 0, err: "" });
  return done.out.trim();
}

/** All that is at a name in a registry is there, byte for byte as its digests say. */
async function expectWhole(registry: LocalRegistry, repository: string, target: string): Promise<void> {
  const found = await registry.manifest(repository, target);
  if (!found) throw new Error(`no ${repository}:${target}`);
  const { config, layers = [], manifests = [] } = JSON.parse(found.bytes.toString());
  for (const { digest, size } of [...(config ? [config] : []), ...layers]) {
    const bytes = await registry.blob(repository, digest);
    expect({ digest: digestOf(bytes ?? Buffer.alloc(0)), size: bytes?.length }).toEqual({ digest, size });
  }
  for (const { digest } of manifests) await expectWhole(registry, repository, digest);
}

describe("registry to registry", () => {
  test("an index goes whole: blobs, then manifests, the tag last; its digest stays", async () => {
    const name = newName();
    const done = await copy(at(one, "app:many"), at(two, `${name}:x`));
    expect([done.code, done.out]).toEqual([0, `${many.digest}\n`]);
    expect(done.err).toMatch(/^[0-9a-f]{12}: Copied$/m);
    expect(await two.manifest(name, "x")).toEqual(await one.manifest("app", "many"));
    await expectWhole(two, name, "x");
    const puts = two.seen.filter((line) => line.startsWith("PUT") && line.includes("/manifests/"));
    expect(puts).toHaveLength(PLATFORMS.length + 1);
    expect(two.seen.at(-1)).toBe(`PUT /v2/${name}/manifests/x`);
    const lastBlob = two.seen.findLastIndex((line) => line.includes("/blobs/"));
    expect(two.seen.indexOf(puts[0] ?? "")).toBeGreaterThan(lastBlob);
    expect(one.seen.filter((line) => line === `GET /v2/app/blobs/${digestOf(base)}`)).toHaveLength(1);
  });

  test("what is there is not sent again", async () => {
    const name = newName();
    await copied(at(one, "app:1"), at(two, `${name}:1`));
    two.seen.length = 0;
    const again = await copy(at(one, "app:1"), at(two, `${name}:1`));
    expect(again.err.match(/: Already exists$/gm)).toHaveLength(3);
    expect(two.seen.filter((line) => /^(POST|PATCH)/.test(line))).toEqual([]);
    expect(one.seen.filter((line) => line.startsWith(`GET /v2/app/blobs/${digestOf(base)}`))).toHaveLength(1);
  });

  test("inside one registry blobs are mounted, not sent", async () => {
    const name = newName();
    const done = await copy(at(one, "app:1"), at(one, `${name}:1`));
    expect(done.err.match(/: Mounted from app$/gm)).toHaveLength(3);
    expect(one.seen.filter((line) => line.startsWith("GET /v2/app/blobs/"))).toEqual([]);
    await expectWhole(one, name, "1");
  });

  test("a tag beside another in one repository costs its manifest", async () => {
    await copied(at(one, "app:1"), at(one, "app:again"));
    expect(one.seen.filter((line) => /^(POST|PATCH|PUT)/.test(line))).toEqual(["PUT /v2/app/manifests/again"]);
  });

  test("one platform of an index has its own digest", async () => {
    const name = newName();
    const digest = await copied("--platform", "linux/arm64", at(one, "app:many"), at(two, `${name}:arm`));
    const index = JSON.parse((await one.manifest("app", "many"))?.bytes.toString() ?? "");
    expect(digest).toBe(index.manifests[1].digest);
    await expectWhole(two, name, "arm");
  });

  test("by digest, at both ends", async () => {
    const name = newName();
    const { digest } = app;
    expect(await copied(at(one, `app@${digest}`), at(two, `${name}@${digest}`))).toBe(digest);
    await expectWhole(two, name, digest);
    const other = `sha256:${"0".repeat(64)}`;
    const wrong = await copy("-q", at(one, "app:1"), at(two, `${name}@${other}`));
    expect(wrong.err).toBe(
      `${at(two, `${name}@${other}`)}: ${at(one, "app:1")} has another digest: ${digest} (give a tag to copy to)\n`,
    );
  });

  test("artifacts, caches whose index lists layers, and descriptors with fields that nobody here knows", async () => {
    const name = newName();
    const empty = await one.putBlob("art", Buffer.from("{}"), "application/vnd.oci.empty.v1+json");
    const artifact = { mediaType: MediaType.manifest, artifactType: "x/y", config: empty, layers: [empty], odd: [1] };
    const made = await one.putManifest("art", "a", artifact as { mediaType: string });
    expect(await copied(at(one, "art:a"), at(two, `${name}:a`))).toBe(made.digest);
    const layer = await one.putBlob("art", top, MediaType.layer);
    // Berth's own registry wants manifests in an index; others do not.
    const cache = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MediaType.index, manifests: [layer, empty] }),
    );
    let taken = "";
    one.intercept = (_, path) =>
      path === "/v2/art/manifests/cache"
        ? new Response(cache, { headers: { "Content-Type": MediaType.index } })
        : undefined;
    two.intercept = async (request, path) => {
      if (path !== `/v2/${name}/manifests/cache`) return undefined;
      taken = await request.text();
      return new Response(null, { status: 201 });
    };
    expect(await copied(at(one, "art:cache"), at(two, `${name}:cache`))).toBe(digestOf(cache));
    expect(taken).toBe(cache.toString());
    expect(await two.blob(name, layer.digest)).toEqual(top);
  });

  test("foreign layers stay where they are, and are named", async () => {
    const name = newName();
    const config = await one.putBlob("win", Buffer.from("{}"), MediaType.config);
    const foreign = {
      mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
      digest: digestOf(Buffer.from("far")),
      size: 3,
      urls: ["https://far.example/\u001b[31m"],
    };
    const content = { mediaType: MediaType.manifest, config, layers: [foreign] };
    const made = await one.putManifest("win", "1", content as { mediaType: string });
    const done = await copy(at(one, "win:1"), at(two, `${name}:1`));
    expect([done.code, done.out]).toEqual([0, `${made.digest}\n`]);
    expect(done.err).toContain(": Foreign layer, not copied: it stays at https://far.example/\\u001b[31m\n");
    expect((await copy("-q", at(one, "win:1"), `docker-archive:${file("w.tar")}`)).err).toContain("foreign layers");
  });
});

describe("referrers", () => {
  let signature: Descriptor;
  let second: Descriptor;
  beforeAll(async () => {
    const empty = await one.putBlob("app", Buffer.from("{}"), "application/vnd.oci.empty.v1+json");
    const about = (subject: Descriptor, type: string) =>
      one.putManifest("app", "", {
        mediaType: MediaType.manifest,
        ...{ artifactType: type, config: empty, layers: [empty], subject },
      } as { mediaType: string });
    signature = await about(app, "example/signature");
    second = await about(signature, "example/countersignature");
  });

  test("are left out unless asked for", async () => {
    const name = newName();
    await copied(at(one, "app:1"), at(two, `${name}:1`));
    expect(await two.manifest(name, signature.digest)).toBeUndefined();
  });

  test("come along, and what refers to them; the other side lists them", async () => {
    const name = newName();
    await copied("--referrers", at(one, "app:1"), at(two, `${name}:1`));
    await expectWhole(two, name, second.digest);
    const answer = await two.send("GET", `/v2/${name}/referrers/${app.digest}`);
    const list = (await answer.json()) as { manifests: object[] };
    expect(list.manifests).toMatchObject([{ digest: signature.digest, artifactType: "example/signature" }]);
    expect(two.seen.at(-1)).toBe(`PUT /v2/${name}/manifests/1`);
  });

  test("with registries that have not the API they are listed under a tag, once, and found there", async () => {
    const name = newName();
    two.intercept = async (request, path) => {
      if (path.includes("/referrers/")) return new Response("404 page not found", { status: 404 });
      if (request.method !== "PUT" || !path.includes("/manifests/")) return undefined;
      const type = request.headers.get("content-type") ?? "";
      const answer = await two.send("PUT", path, Buffer.from(await request.arrayBuffer()), type);
      return new Response(null, { status: answer.status });
    };
    for (let run = 0; run < 2; run++) await copied("--referrers", at(one, "app:1"), at(two, `${name}:1`));
    const tag = app.digest.replace(":", "-");
    const list = JSON.parse((await two.manifest(name, tag))?.bytes.toString() ?? "{}");
    expect(list.manifests).toHaveLength(1);
    expect(list.manifests[0]).toMatchObject({ digest: signature.digest, artifactType: "example/signature" });
    expect(list.mediaType).toBe(MediaType.index);
    const back = newName();
    await copied("--referrers", at(two, `${name}:1`), at(one, `${back}:1`));
    await expectWhole(one, back, signature.digest);
  });

  test("go into folders and archives, and come out again", async () => {
    for (const place of [`oci:${file("lay")}`, `oci-archive:${file("a.tar")}`]) {
      const name = newName();
      await copied("--referrers", at(one, "app:1"), place);
      expect(await copied("--referrers", place, at(two, `${name}:1`))).toBe(app.digest);
      await expectWhole(two, name, signature.digest);
    }
    const refused = await copy("-q", "--referrers", at(one, "app:1"), `docker-archive:${file("d.tar")}`);
    expect(refused.err).toContain("a docker-archive cannot hold what refers to an image (use oci-archive)");
  });

  test("those by cosign's tags keep them, through folders too", async () => {
    const payload = await one.putBlob(
      "app",
      Buffer.from('{"critical":{}}'),
      "application/vnd.dev.cosign.simplesigning.v1+json",
    );
    const config = await one.putBlob("app", Buffer.from("{}"), MediaType.config);
    const tag = `${app.digest.replace(":", "-")}.sig`;
    const content = { mediaType: MediaType.manifest, config, layers: [payload] };
    const made = await one.putManifest("app", tag, content as { mediaType: string });
    const name = newName();
    await copied("--referrers", at(one, "app:1"), `oci:${file("lay")}`);
    expect(await copied("--referrers", `oci:${file("lay")}`, at(two, `${name}:1`))).toBe(app.digest);
    expect((await two.manifest(name, tag))?.digest).toBe(made.digest);
    await expectWhole(two, name, tag);
    expect(two.seen.at(-1)).toBe(`PUT /v2/${name}/manifests/1`);
  });

  test("one that is listed and gone is told; one that refers to something else is refused", async () => {
    const list = (digest: string) => {
      one.intercept = (_, path) =>
        path.endsWith(`/referrers/${app.digest}`)
          ? Response.json(
              { schemaVersion: 2, manifests: [{ mediaType: MediaType.manifest, digest, size: 5 }] },
              { headers: { "Content-Type": MediaType.index } },
            )
          : undefined;
    };
    const gone = `sha256:${"1".repeat(64)}`;
    list(gone);
    const told = await copy("--referrers", at(one, "app:1"), at(two, `${newName()}:1`));
    expect(told).toMatchObject({ code: 0, out: `${app.digest}\n` });
    expect(told.err).toContain(`${gone} is listed among the referrers, but is not there\n`);
    list(second.digest);
    const name = newName();
    const lied = await copy("--referrers", at(one, "app:1"), at(two, `${name}:1`));
    expect([lied.code, lied.err]).toEqual([1, expect.stringContaining(`does not refer to ${app.digest}`)]);
    expect(await two.manifest(name, "1")).toBeUndefined();
  });
});

describe("folders and archives", () => {
  const PLACES: [place: string, source: string][] = [
    ["oci:lay", "app:many"],
    ["oci:lay:v1", "app:1"],
    ["oci-archive:a.tar", "app:many"],
    ["oci-archive:a.tar:team/app:v1", "app:1"],
    ["docker-archive:d.tar", "app:1"],
    ["docker-archive:d.tar:team/app:v1", "app:1"],
  ];
  const placed = (place: string): string => place.replace(":", `:${folder}/`);

  test.each(PLACES)("%s: there and back, the digest stays", async (place, source) => {
    const name = newName();
    const digest = await copied(at(one, source), placed(place));
    expect(digest).toBe((source === "app:1" ? app : many).digest);
    expect(await copied(placed(place), at(two, `${name}:1`))).toBe(digest);
    await expectWhole(two, name, "1");
    const bare = placed(place).split(":").slice(0, 2).join(":");
    expect(await copied(bare, `oci:${file("other")}:x`)).toBe(digest);
    expect(readdirSync(folder).filter((f) => /tmp|berth-copy/.test(f))).toEqual([]);
    if (place.startsWith("oci:"))
      expect(readdirSync(file("lay")).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  });

  test.each(PLACES.filter(([place]) => place.includes("archive")))(
    "%s: two runs, the same bytes",
    async (place, source) => {
      await copied(at(one, source), placed(place));
      const path = file(place.split(":")[1] ?? "");
      const first = readFileSync(path);
      await copied(at(one, source), placed(place));
      expect(readFileSync(path).equals(first)).toBe(true);
    },
  );

  test("several images in one archive: shared blobs once, each found by its name", async () => {
    const place = `oci-archive:${file("all.tar")}`;
    const digests = (await copied(at(one, "app:1"), at(one, "other:2"), at(one, "app:many"), place)).split("\n");
    expect(digests).toHaveLength(3);
    expect(statSync(file("all.tar")).size).toBeLessThan(2 * base.length);
    expect(await copied(`${place}:2`, `oci:${file("x")}`)).toBe(digests[1] ?? "");
    expect(await copied(`${place}:${at(one, "app:many")}`, `oci:${file("y")}`)).toBe(digests[2] ?? "");
    expect(await copied(`${place}@${digests[0]}`, `oci:${file("z")}`)).toBe(digests[0] ?? "");
    expect((await copy(place, `oci:${file("w")}`)).err).toBe(
      `${place} has several images: say which (it has: 1, 2, many)\n`,
    );
    expect((await copy(`${place}:no`, `oci:${file("w")}`)).err).toContain(
      `${place} has no image "no" (it has: 1, 2, many)`,
    );
    expect(existsSync(file("w"))).toBe(false);
    const docker = `docker-archive:${file("d.tar")}`;
    await copied(at(one, "app:1"), at(one, "other:2"), docker);
    expect(await copied(`${docker}:${at(one, "other:2")}`, `oci:${file("v")}`)).toBe(digests[1] ?? "");
    expect((await copy(docker, `oci:${file("w")}`)).err).toContain(
      `several images: say which (it has: ${at(one, "app:1")}`,
    );
  });

  test("a folder takes more images; a name that it has comes to mean the new one", async () => {
    const index = () => JSON.parse(readFileSync(file("lay/index.json"), "utf8")).manifests;
    await copied(at(one, "app:1"), `oci:${file("lay")}:a`);
    await copied(at(one, "other:2"), `oci:${file("lay")}:b`);
    expect(index()).toHaveLength(2);
    const again = await copy(at(one, "app:many"), `oci:${file("lay")}:a`);
    expect(again.err).toContain(": Already exists\n");
    expect(index().map((entry: Descriptor) => entry.annotations?.["org.opencontainers.image.ref.name"])).toEqual([
      "b",
      "a",
    ]);
    expect(await copied(`oci:${file("lay")}:a`, at(two, `${newName()}:1`))).toBe(many.digest);
  });

  test("copies into one folder at the same time are all in its index", async () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    await Promise.all(names.map((name) => copied(at(one, "app:1"), `oci:${file("lay")}:${name}`)));
    const { manifests } = JSON.parse(readFileSync(file("lay/index.json"), "utf8"));
    expect(manifests).toHaveLength(names.length);
    expect(readdirSync(file("lay")).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  });

  test("what a killed copy left in a folder is removed by the next, which is not held up by its lock", async () => {
    await copied(at(one, "app:1"), `oci:${file("lay")}:a`);
    const dead = 2 ** 22 + 1;
    mkdirSync(file(`lay/.berth-copy.${dead}.xyz`));
    writeFileSync(file("lay/.berth-copy-lock"), String(dead));
    await copied(at(one, "other:2"), `oci:${file("lay")}:b`);
    expect(readdirSync(file("lay")).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  });

  test("archives of older dockers, compressed or as a stream: a manifest is made, the same each time", async () => {
    const archive = dockerArchive({ layers: [base, top], stored: [gzipSync(base), top], tags: ["old:1"] });
    writeFileSync(file("old.tar"), archive);
    writeFileSync(file("old.tar.gz"), gzipSync(archive));
    const name = newName();
    const digest = await copied(`docker-archive:${file("old.tar")}:old:1`, at(two, `${name}:1`));
    await expectWhole(two, name, "1");
    const { layers, config } = JSON.parse((await two.manifest(name, "1"))?.bytes.toString() ?? "");
    expect(layers.map((layer: Descriptor) => layer.mediaType)).toEqual([MediaType.layerGzip, MediaType.layer]);
    expect(config.mediaType).toBe(MediaType.config);
    expect(await copied(`docker-archive:${file("old.tar.gz")}`, at(two, `${name}:2`))).toBe(digest);
    const stdin = Readable.from([gzipSync(archive)]);
    const piped = await berth(["copy", "-q", "docker-archive:-", at(two, `${name}:3`)], { stdin });
    expect(piped.out.trim()).toBe(digest);
  });

  test("an OCI archive from standard input", async () => {
    await copied(at(one, "app:many"), `oci-archive:${file("a.tar")}`);
    const stdin = Readable.from([readFileSync(file("a.tar"))]);
    const piped = await berth(["copy", "-q", "-", at(two, `${newName()}:1`)], { stdin });
    expect(piped).toEqual({ code: 0, out: `${many.digest}\n`, err: "" });
  });
});

describe("wrong usage", () => {
  const cases: [argv: () => string[], words: string][] = [
    [() => ["a"], "requires at least 2 arguments"],
    [
      () => ["UPPER", "b"],
      '"UPPER" names no image: invalid reference format: repository name (library/UPPER) must be lowercase',
    ],
    [() => ["docker-daemon:x", "b"], 'there is no transport "docker-daemon"'],
    [() => ["oci:", "b"], "it has no path"],
    [() => ["oci:x:", "b"], "it has no name behind the colon"],
    [() => ["./x.tar", "b"], "oci-archive:FILE[:NAME]"],
    [() => ["a", "b", "c"], "c:latest is one image: copy several one by one, or into an archive"],
    [() => ["-", "docker-archive:-", "oci:x"], "standard input can be one source only"],
    [() => ["oci-archive:x.tar", "oci-archive:x.tar"], "is source and destination"],
    [() => ["--platform", "bogus/a/b/c", "a", "b"], "cannot parse platform specifier"],
    [() => [`oci:${file("none")}`, "b"], "none: no such folder"],
    [() => [`oci-archive:${file("none")}`, "b"], "none: no such file"],
    [() => [at(one, "app:none"), `oci:${file("x")}`], "manifest for"],
    [() => [at(one, "app:1"), `oci-archive:${folder}`], "is a folder (layouts in folders are oci:FOLDER)"],
    [() => [at(one, "app:1"), `oci-archive:${file("no/x.tar")}`], "there is no folder"],
    [
      () => [at(one, "app:many"), `docker-archive:${file("x.tar")}`],
      "choose one with --platform: linux/amd64, linux/arm64/v8",
    ],
    [() => [at(one, "app:1"), `docker-archive:${file("x.tar")}:BAD NAME`], "is no name of an image"],
    [() => [at(one, "app:1"), at(one, "other:2"), `oci:${file("x")}:n`], "several images cannot have one name"],
    [
      () => ["--platform", "s390x", at(one, "app:many"), at(two, "x")],
      "choose one that is there with --platform: linux/amd64",
    ],
    [() => ["--platform", "s390x", at(one, "app:1"), at(two, "x")], "is of platform linux/amd64, not linux/s390x"],
    [() => [at(one, "app:1"), "127.0.0.1:1/x"], "connection refused"],
  ];
  test.each(cases)("case %#", async (argv, words) => {
    const { code, out, err } = await copy(...argv());
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(words);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a folder with other things in it is not mixed with", async () => {
    writeFileSync(file("mine.txt"), "x");
    const { err } = await copy("-q", at(one, "app:1"), `oci:${folder}`);
    expect(err).toBe(`oci:${folder}: the folder has other things in it, and is no OCI layout\n`);
    expect(readdirSync(folder)).toEqual(["mine.txt"]);
  });
});
