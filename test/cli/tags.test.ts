import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tar } from "../../src/image/fixture.ts";
import type { Digest } from "../../src/spec/digest.ts";
import { LocalRegistry } from "../../src/testing/local-registry.ts";
import { berth } from "./harness.ts";

// `berth tags` against Berth's own registry, and against registries that lie.

const layer = tar({ name: "a", data: "hello\n" });
const TAGS = ["1.2", "1.2.5", "1.10", "2.0-rc1", "2", "latest"];
let registry: LocalRegistry;
let digest: Digest;
let folder = "";

beforeAll(async () => {
  registry = await LocalRegistry.start();
  folder = mkdtempSync(join(tmpdir(), "tags-"));
  for (const tag of TAGS) {
    const made = await registry.putImage("team/app", tag, {
      layers: [layer],
      config: { created: "2001-02-03T04:05:06Z" },
    });
    digest = made.digest;
  }
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  registry.intercept = () => undefined;
  registry.seen.length = 0;
});

const tags = (...argv: string[]) =>
  berth(["tags", ...argv, `${registry.host}/team/app`], { env: { DOCKER_CONFIG: folder } });
const listed = async (...argv: string[]): Promise<string[]> => (await tags("-q", ...argv)).out.trim().split("\n");

test("a table of tags, the highest version first", async () => {
  expect(await tags()).toEqual({ code: 0, out: "TAG\n2\n2.0-rc1\n1.10\n1.2.5\n1.2\nlatest\n", err: "" });
  expect(registry.seen.filter((line) => !line.endsWith("/v2/"))).toEqual(["GET /v2/team/app/tags/list"]);
  expect((await berth(["image", "tags", "-q", `${registry.host}/team/app`])).out).toContain("1.2.5\n");
});

test.each([
  [
    ["--filter", "1.*"],
    ["1.10", "1.2.5", "1.2"],
  ],
  [
    ["-f", "1.2*", "-f", "latest"],
    ["1.2.5", "1.2", "latest"],
  ],
  [
    ["--semver", ">=1.2 <2"],
    ["1.10", "1.2.5", "1.2"],
  ],
  [
    ["--semver", ">1.9", "--pre"],
    ["2", "2.0-rc1", "1.10"],
  ],
  [
    ["--semver", "^1", "--filter", "*.?"],
    ["1.2.5", "1.2"],
  ],
  [
    ["--limit", "2"],
    ["2", "2.0-rc1"],
  ],
  [
    ["--sort", "name", "-n", "3"],
    ["1.2", "1.2.5", "1.10"],
  ],
  [["--filter", "nosuch"], [""]],
])("%j", async (argv, want) => expect(await listed(...argv)).toEqual(want));

test("with digests: what each stands for", async () => {
  const { out } = await tags("--digests", "--filter", "1.10");
  expect(out).toMatch(/^TAG +DIGEST +CREATED +SIZE\n1\.10 +sha256:[0-9a-f]{64} +2\d years ago +2\.05kB\n$/);
  expect(out).toContain(digest);
});

test("formats ask for what they need, and for no more", async () => {
  const asked = (): string[] => registry.seen.filter((line) => /manifests|blobs/.test(line));
  expect((await tags("--format", "{{.Repository}}:{{.Tag}}", "-n", "1")).out).toBe(`${registry.host}/team/app:2\n`);
  expect(asked()).toEqual([]);
  expect((await tags("--format", "{{.Tag}} {{.Digest}}", "-n", "1")).out).toBe(`2 ${digest}\n`);
  expect(asked()).toEqual(["HEAD /v2/team/app/manifests/2"]);
  const [line = ""] = (await tags("--json", "--digests", "-n", "1")).out.split("\n");
  expect(JSON.parse(line)).toMatchObject({ Tag: "2", Digest: digest, Size: "2.05kB" });
  expect(JSON.parse((await tags("--format", "json", "-n", "1")).out)).toMatchObject({ Tag: "2", Digest: "" });
  expect((await tags("--format", "table {{.Tag}}\\t{{.Size}}", "-n", "1")).out).toBe(
    "TAG       SIZE\n2         2.05kB\n",
  );
});

test("a tag that goes while it is looked at is left out", async () => {
  registry.intercept = (_, path) =>
    path.endsWith("/manifests/1.10") ? new Response(null, { status: 404 }) : undefined;
  expect((await tags("--digests", "--format", "{{.Tag}}", "--semver", "^1")).out).toBe("1.2.5\n1.2\n");
});

test("a registry that gives no digest in the head of its answer is asked for the manifest", async () => {
  registry.intercept = (request) => (request.method === "HEAD" ? new Response(null, { status: 405 }) : undefined);
  expect((await tags("--format", "{{.Digest}}", "-n", "1")).out).toBe(`${digest}\n`);
});

const WRONG: [argv: string[], words: string][] = [
  [["--semver", "what"], 'invalid range of versions "what"'],
  [["--sort", "age"], 'invalid order "age": want semver or name'],
  [["--limit", "0"], "invalid limit 0: want 1 or more"],
  [["--pre"], "--pre is of use with --semver only"],
  [["--filter", "[a"], "syntax error in pattern"],
];
test.each(WRONG)("%j is refused before anything is asked", async (argv, words) => {
  const { code, out, err } = await tags(...argv);
  expect({ code, out, err }).toEqual({ code: 1, out: "", err: expect.stringContaining(words) });
  expect(registry.seen).toEqual([]);
});

test("a name with a tag, and one that is not there, are refused", async () => {
  const named = await berth(["tags", `${registry.host}/team/app:1`]);
  expect(named.err).toBe(
    `${registry.host}/team/app:1 names one image: give its repository, ${registry.host}/team/app, and '--filter TAG'\n`,
  );
  const none = await berth(["tags", `${registry.host}/none`]);
  expect([none.code, none.out]).toEqual([1, ""]);
  expect(none.err).toMatch(/^tags of none: name unknown: .*\n$/);
  expect((await berth(["tags", "127.0.0.1:1/app"])).err).toContain("connection refused");
  expect((await berth(["tags"])).err).toContain("requires 1 argument");
});

/** Answers of the list of tags, a page each; the last is repeated. */
function pages(...all: { tags: unknown; link?: string }[]): void {
  let at = 0;
  registry.intercept = (_, path) => {
    if (!path.endsWith("/tags/list")) return undefined;
    const { tags: list, link } = all[Math.min(at++, all.length - 1)] ?? { tags: [] };
    return Response.json({ name: "x", tags: list }, { headers: link ? { Link: link } : {} });
  };
}

test("all pages are read; what is no tag, or comes twice, is left out", async () => {
  const base = "/v2/team/app/tags/list";
  pages(
    { tags: ["1", "2"], link: `<${base}?last=2&n=2>; rel="next"` },
    { tags: ["2", "3", "\u001b[31mred", "../x", 7], link: `<http://elsewhere.invalid${base}?last=3>; rel=next` },
    { tags: null },
  );
  expect(await listed()).toEqual(["3", "2", "1"]);
  expect(registry.seen.slice(-2)).toEqual([`GET ${base}?last=2&n=2`, `GET ${base}?last=3`]);
});

test("pages without an end are an error, and soon", async () => {
  pages({ tags: ["1"], link: '</v2/team/app/tags/list?last=1>; rel="next"' });
  expect((await tags()).err).toContain("list of tags does not end: 2 pages, 1 tags so far");
  let n = 0;
  registry.intercept = (_, path) =>
    path.endsWith("/tags/list")
      ? Response.json({ tags: [`t${n}`] }, { headers: { Link: `</v2/team/app/tags/list?n=${++n}>; rel="next"` } })
      : undefined;
  expect((await tags()).err).toContain("does not end: 1000 pages");
});

test.each([
  ["a page for people", () => new Response("<html>"), "is no JSON"],
  ["an object", () => Response.json({ tags: {} }), "is no list"],
  ["another path", () => Response.json({ tags: [] }, { headers: { Link: '</admin>; rel="next"' } }), "outside of /v2/"],
  ["17 MiB", () => new Response("x".repeat(17 << 20)), "has more than 16777216 bytes"],
])("%s as the list of tags", async (_, answer, words) => {
  registry.intercept = (_request, path) => (path.endsWith("/tags/list") ? answer() : undefined);
  const { code, out, err } = await tags();
  expect([code, out]).toEqual([1, ""]);
  expect(err).toContain(words);
});

test("stored credentials are sent, and only where they are asked for", async () => {
  const login = Buffer.from("me:secret").toString("base64");
  writeFileSync(join(folder, "config.json"), JSON.stringify({ auths: { [registry.host]: { auth: login } } }));
  const sent: (string | null)[] = [];
  registry.intercept = (request) => {
    const authorization = request.headers.get("authorization");
    sent.push(authorization);
    if (authorization === `Basic ${login}`) return undefined;
    return new Response("{}", { status: 401, headers: { "WWW-Authenticate": 'Basic realm="x"' } });
  };
  expect((await listed())[0]).toBe("2");
  expect(sent).toEqual([null, `Basic ${login}`]);
  rmSync(join(folder, "config.json"));
  const refused = await tags();
  expect(refused).toEqual({ code: 1, out: "", err: expect.stringContaining("no basic auth credentials") });
});
