import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { digestOf } from "../../../spec/digest.ts";
import { MediaType } from "../../../spec/oci.ts";
import {
  overSocket,
  pushBlob,
  pushImage,
  pushManifest,
  type RegistryKit,
  registryKit,
} from "../../../testing/registry-kit.ts";

// OCI distribution-spec 1.1, "Content Discovery": tags and referrers; Docker's _catalog; what remains of version 1.

describe.each(["call", "socket"])("%s:", (mode) => {
  let kit: RegistryKit;
  beforeEach(() => {
    kit = registryKit();
    if (mode === "socket") kit = overSocket(kit);
  });
  afterEach(() => kit[Symbol.asyncDispose]());

  async function tagged(repository: string, tags: readonly string[]): Promise<void> {
    for (const tag of tags) await pushImage(kit, { repository, tag }, { layers: [] });
  }
  async function tags(query = "", repository = "a/b"): Promise<{ tags: string[]; link: string | null }> {
    const answer = await kit.ask("GET", `${repository}/tags/list${query}`);
    expect([answer.status, answer.headers.get("content-type")]).toEqual([
      200,
      expect.stringContaining("application/json"),
    ]);
    const body = (await answer.json()) as { name: string; tags: string[] };
    expect(body.name).toBe(repository);
    return { tags: body.tags, link: answer.headers.get("link") };
  }
  const code = async (answer: Response): Promise<unknown> => {
    const { errors } = (await answer.json()) as { errors: { code: string }[] };
    return [answer.status, errors[0]?.code];
  };

  test("tags, in the order of their bytes, by pages", async () => {
    await tagged("a/b", ["b", "A", "a", "_x", "1.10", "1.9", "latest"]);
    await tagged("a/b/c", ["elsewhere"]);
    await tagged("a", ["elsewhere"]);
    const all = ["1.10", "1.9", "A", "_x", "a", "b", "latest"];
    expect(await tags()).toEqual({ tags: all, link: null });
    expect(await tags("?n=3")).toEqual({ tags: all.slice(0, 3), link: '</v2/a/b/tags/list?n=3&last=A>; rel="next"' });
    expect(await tags("?n=0")).toEqual({ tags: [], link: null });
    expect(await tags("?n=7")).toEqual({ tags: all, link: null });
    expect((await tags("?n=99999999999999999999")).tags).toEqual(all);
    expect((await tags("?last=_x")).tags).toEqual(["a", "b", "latest"]);
    expect((await tags("?last=latest")).tags).toEqual([]);
    expect((await tags("?n=2&last=not-there-but-in-between")).tags).toEqual([]);
    expect((await tags("?n=2&last=aa")).tags).toEqual(["b", "latest"]);
    const seen: string[] = [];
    for (let path: string | undefined = "a/b/tags/list?n=2"; path; ) {
      const answer: Response = await kit.ask("GET", path);
      seen.push(...((await answer.json()) as { tags: string[] }).tags);
      path = /<\/v2\/([^>]+)>; rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
    }
    expect(seen).toEqual(all);
  });

  test("pages that are none are refused, odd ends are only ends", async () => {
    await tagged("a/b", ["1"]);
    for (const n of ["-1", "x", "1.5", "0x10", "1e3", "", "%00"])
      expect([n, (await kit.ask("GET", `a/b/tags/list?n=${n}`)).status]).toEqual([n, 400]);
    for (const last of [
      "..%2f..%2f",
      "%00",
      "%ff%fe",
      "%ed%a0%80",
      "%F4%8F%BF%BF",
      "a".repeat(5000),
      "%25",
      "'%22;--",
    ]) {
      const answer = await kit.ask("GET", `a/b/tags/list?last=${last}`);
      expect([last.slice(0, 10), answer.status]).toEqual([last.slice(0, 10), 200]);
    }
  });

  test("a repository whose last tag has gone still has a list", async () => {
    await tagged("a/b", ["1"]);
    await kit.ask("DELETE", "a/b/manifests/1");
    expect((await tags()).tags).toEqual([]);
    expect(await code(await kit.ask("GET", "never/pushed/tags/list"))).toEqual([404, "NAME_UNKNOWN"]);
  });

  test("_catalog, by pages", async () => {
    const names = ["a", "a/b", "b-c", "b.d", "c/d/e"];
    for (const name of names) await tagged(name, ["1"]);
    const page = async (query: string): Promise<[string[], string | null]> => {
      const answer = await kit.ask("GET", `_catalog${query}`);
      expect(answer.status).toBe(200);
      return [((await answer.json()) as { repositories: string[] }).repositories, answer.headers.get("link")];
    };
    expect(await page("")).toEqual([names, null]);
    const [first, link] = await page("?n=2");
    expect([first, link]).toEqual([["a", "a/b"], '</v2/_catalog?n=2&last=a%2Fb>; rel="next"']);
    expect(await page("?n=2&last=a%2Fb")).toEqual([["b-c", "b.d"], expect.stringContaining("last=b.d")]);
    expect(await page("?n=0")).toEqual([[], null]);
    expect((await kit.ask("POST", "_catalog")).status).toBe(405);
  });

  const config = Buffer.from("{}");
  const describeBytes = (bytes: Buffer, mediaType: string) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.byteLength,
  });

  /** Pushes a manifest about `subject`. Returns what the list of referrers has to say of it. */
  async function about(
    subject: object | undefined,
    more: Record<string, unknown>,
  ): Promise<{ digest: string; size: number }> {
    await pushBlob(kit, "a/b", config);
    const base = more["manifests"]
      ? { mediaType: MediaType.index }
      : {
          mediaType: MediaType.manifest,
          config: describeBytes(config, (more["configType"] as string) ?? "application/vnd.oci.empty.v1+json"),
          layers: [],
        };
    const { configType: _, ...rest } = more;
    const manifest = { schemaVersion: 2, ...base, ...rest, ...(subject ? { subject } : {}) };
    const bytes = Buffer.from(JSON.stringify(manifest));
    const answer = await pushManifest(kit, { repository: "a/b", tag: digestOf(bytes) }, manifest);
    expect(answer.status).toBe(201);
    expect(answer.headers.get("oci-subject")).toBe((subject as { digest?: string } | undefined)?.digest ?? null);
    return { digest: digestOf(bytes), size: bytes.byteLength };
  }
  async function referrers(digest: string, query = ""): Promise<{ digest: string; [key: string]: unknown }[]> {
    const answer = await kit.ask("GET", `a/b/referrers/${digest}${query}`);
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, MediaType.index]);
    expect(answer.headers.get("oci-filters-applied")).toBe(query.includes("artifactType") ? "artifactType" : null);
    const index = (await answer.json()) as {
      schemaVersion: number;
      mediaType: string;
      manifests: { digest: string }[];
    };
    expect([index.schemaVersion, index.mediaType]).toEqual([2, MediaType.index]);
    return index.manifests;
  }

  test("referrers of what nothing refers to, of what is not there, and of what is no digest", async () => {
    expect(await referrers(`sha256:${"2".repeat(64)}`)).toEqual([]);
    expect(await code(await kit.ask("GET", "a/b/referrers/sha256:x"))).toEqual([400, "DIGEST_INVALID"]);
    expect(await code(await kit.ask("GET", "a/b/referrers/latest"))).toEqual([400, "DIGEST_INVALID"]);
  });

  test("referrers, filtered and not, of images and of indexes, before their subject and after it", async () => {
    const subject = { ...(await about(undefined, { annotations: { x: "y" } })), mediaType: MediaType.manifest };
    const missing = { digest: `sha256:${"3".repeat(64)}`, size: 123, mediaType: MediaType.manifest };
    for (const one of [subject, missing]) {
      const annotations = { "org.test": `about ${one.digest}` };
      const typed = await about(one, { artifactType: "application/vnd.one", annotations });
      const byConfig = await about(one, { configType: "application/vnd.two", annotations });
      const index = await about(one, { artifactType: "application/vnd.one", manifests: [], annotations });
      const plain = await about(one, { manifests: [], annotations });
      const found = await referrers(one.digest);
      const entry = (of: { digest: string }, mediaType: string, artifactType?: string) => ({
        ...of,
        mediaType,
        annotations,
        ...(artifactType ? { artifactType } : {}),
      });
      expect(found).toHaveLength(4);
      expect(found).toContainEqual(entry(typed, MediaType.manifest, "application/vnd.one"));
      expect(found).toContainEqual(entry(byConfig, MediaType.manifest, "application/vnd.two"));
      expect(found).toContainEqual(entry(index, MediaType.index, "application/vnd.one"));
      expect(found).toContainEqual(entry(plain, MediaType.index));
      const digests = async (type: string): Promise<string[]> =>
        (await referrers(one.digest, `?artifactType=${encodeURIComponent(type)}`)).map((m) => m.digest).sort();
      expect(await digests("application/vnd.one")).toEqual([typed.digest, index.digest].sort());
      expect(await digests("application/vnd.two")).toEqual([byConfig.digest]);
      expect(await digests("application/vnd.none")).toEqual([]);
      expect((await kit.ask("DELETE", `a/b/manifests/${typed.digest}`)).status).toBe(202);
      expect((await referrers(one.digest)).map((m) => m.digest)).not.toContain(typed.digest);
    }
    expect(await kit.ask("GET", `b/referrers/${subject.digest}`).then((r) => r.json())).toMatchObject({
      manifests: [],
    });
  });

  test("referrers with much to say come by pages, each bounded", async () => {
    const subject = { digest: `sha256:${"4".repeat(64)}`, size: 1, mediaType: MediaType.manifest };
    const annotations = (i: number) => ({ i: String(i), long: "x".repeat(900_000) });
    const all: string[] = [];
    for (let i = 0; i < 6; i++) all.push((await about(subject, { manifests: [], annotations: annotations(i) })).digest);
    const seen: string[] = [];
    let pages = 0;
    for (let path: string | undefined = `a/b/referrers/${subject.digest}`; path; pages++) {
      const answer: Response = await kit.ask("GET", path);
      const text = await answer.text();
      expect(text.length).toBeLessThan(5_000_000);
      seen.push(...(JSON.parse(text) as { manifests: { digest: string }[] }).manifests.map((m) => m.digest));
      path = /<\/v2\/([^>]+)>; rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
    }
    expect(seen).toEqual(all.sort());
    expect(pages).toBeGreaterThan(1);
  });
});

describe("version 1:", () => {
  let kit: RegistryKit;
  beforeEach(() => {
    kit = registryKit();
  });
  afterEach(() => kit[Symbol.asyncDispose]());
  const v1 = (path: string, method = "GET"): Promise<Response> =>
    kit.registry.answer(new Request(`http://registry/v1/${path}`, { method }));

  test("ping and search answer, all else says in one line that it is no more", async () => {
    expect([(await v1("_ping")).status, await (await v1("_ping")).text()]).toEqual([200, "true"]);
    for (const path of ["", "images/abc/json", "repositories/library/x/tags", "users/", "search/x"]) {
      const answer = await v1(path);
      const text = await answer.text();
      expect([path, answer.status, text.trim().split("\n").length]).toEqual([path, 410, 1]);
      expect(text).toContain("version 1");
    }
  });

  test("search finds words in names, and what latest says of itself", async () => {
    const annotations = { "org.opencontainers.image.description": "A web server" };
    await pushImage(kit, { repository: "team/web-app", tag: "latest" }, { layers: [], more: { annotations } });
    for (const name of ["team/db", "other/web", "webby"])
      await pushImage(kit, { repository: name, tag: "1" }, { layers: [] });
    const search = async (query: string) =>
      (await (await v1(`search?${query}`)).json()) as {
        num_results: number;
        results: { name: string; description: string }[];
      };
    const names = async (query: string): Promise<string[]> => (await search(query)).results.map((r) => r.name);
    expect(await names("q=web")).toEqual(["other/web", "team/web-app", "webby"]);
    expect(await names("q=TEAM%20web")).toEqual(["team/web-app"]);
    expect((await search("q=web-app")).results[0]?.description).toBe("A web server");
    expect(await search("q=nothing")).toMatchObject({ num_results: 0, results: [] });
    expect(await names("q=web&n=1&page=2")).toEqual(["team/web-app"]);
    for (const odd of ["n=-5", "n=0", "n=x", "n=0.5", "n=1e9", "page=-1", "page=0.5", "n=99999999999999"])
      expect([odd, (await names(`q=web&${odd}`)).length]).toEqual([odd, 3]);
    expect(await names("q=web&page=999999999")).toEqual([]);
  });
});
