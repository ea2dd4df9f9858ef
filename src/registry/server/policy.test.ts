import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pushBlob, pushImage, registryKit } from "../../testing/registry-kit.ts";
import { type RegistryFlags, registryConfig } from "./config.ts";
import { globMatcher } from "./globs.ts";
import { policyOf } from "./policy.ts";
import { retire } from "./retention.ts";
import { scrub } from "./scrub.ts";

const FLAGS: RegistryFlags = {
  ...{ config: "", addr: "", root: "", htpasswd: "", tls: false, "tls-cert": "", "tls-key": "", "tls-client-ca": "" },
  ...{ "public-url": "", proxy: [], immutable: [], quota: [], "gc-every": "", "gc-grace": "", "upload-timeout": "" },
};

function ofFile(settings: unknown, flags: Partial<RegistryFlags> = {}): ReturnType<typeof registryConfig> {
  const dir = mkdtempSync(join(tmpdir(), "berth-registry-config-"));
  try {
    const config = join(dir, "registry.json");
    writeFileSync(config, typeof settings === "string" ? settings : JSON.stringify(settings));
    return registryConfig({ ...FLAGS, ...flags, config });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test.each([
  ["team/*", "team/app", true],
  ["team/*", "team/a/b", false],
  ["team/**", "team/a/b", true],
  ["**/base", "base", true],
  ["**/base", "x/y/base", true],
  ["**", "any/thing", true],
  ["v1.?", "v1.2", true],
  ["v1.?", "v1x2", false],
  ["a+b", "a+b", true],
  ["", "a", false],
])("pattern %s and %s: %p", (pattern, name, fits) => {
  expect(globMatcher(pattern)(name)).toBe(fits);
});

test("settings come from flags, then the file, then the defaults", () => {
  expect(registryConfig(FLAGS)).toMatchObject({
    host: "127.0.0.1",
    port: 5000,
    gc: { everyMs: 3600_000, graceMs: 3600_000, uploadMs: 86_400_000 },
  });
  const file = {
    addr: ":6000",
    gc: { every: "10m", grace: "30d" },
    quotas: [{ repository: "big/**", bytes: "2g" }],
    retention: [{ repository: "ci/**", keepLast: 3, olderThan: "7d", untagged: "1h" }],
    upstreams: [{ prefix: "hub", registry: "docker.io", fresh: "5m", keep: "30d" }],
  };
  const config = ofFile(file, { addr: "[::1]:7000", "gc-every": "0", quota: ["5m"], immutable: ["app:v*"] });
  expect(config).toMatchObject({ host: "::1", port: 7000, gc: { everyMs: 0, graceMs: 30 * 86_400_000 } });
  expect(config.quotas).toEqual([
    { repository: "**", bytes: 5 * 2 ** 20 },
    { repository: "big/**", bytes: 2 * 2 ** 30 },
  ]);
  expect(config.immutable).toEqual([{ repository: "app", tags: "v*" }]);
  expect(config.retention).toEqual([
    { repository: "ci/**", keepLast: 3, olderThanMs: 7 * 86_400_000, untaggedMs: 3600_000 },
  ]);
  expect(config.upstreams).toEqual([
    { prefix: "hub", registry: "docker.io", insecure: false, freshMs: 300_000, keepMs: 30 * 86_400_000 },
  ]);
});

test.each([
  [{ adress: ":1" }, 'unknown key "adress" (known are addr'],
  [{ addr: "nowhere" }, 'addr "nowhere" is no HOST:PORT'],
  [{ gc: { every: "soon" } }, 'gc.every "soon" is no duration (for example'],
  [{ quotas: [{ bytes: "much" }] }, "invalid size"],
  [{ upstreams: [{ prefix: "x", registry: "http://a b" }] }, "is no registry (HOST[:PORT][/PREFIX])"],
  [{ retention: [{ keepLast: -1 }] }, "retention.keepLast is no count"],
  [{ tls: { cert: "/c" } }, "a certificate needs its key"],
  [{ gc: [] }, "gc is no object"],
  ["{", "registry.json: "],
  ["[]", "no JSON object"],
])("%j is refused by one line", (settings, words) => {
  expect(() => ofFile(settings)).toThrow(words);
});

test("an immutable tag keeps its meaning, and may be pushed again as it is", async () => {
  await using kit = registryKit({ policy: policyOf([{ repository: "app", tags: "v*" }], []) });
  const target = { repository: "app", tag: "v1" };
  const image = await pushImage(kit, target, { layers: ["a"] });
  await pushImage(kit, target, { layers: ["a"] });
  expect(pushImage(kit, target, { layers: ["b"] })).rejects.toThrow("403");
  expect((await kit.ask("DELETE", "app/manifests/v1")).status).toBe(403);
  expect((await kit.ask("DELETE", `app/manifests/${image.digest}`)).status).toBe(403);
  await pushImage(kit, { repository: "app", tag: "latest" }, { layers: ["a"] });
  await pushImage(kit, { repository: "app", tag: "latest" }, { layers: ["b"] });
  expect((await kit.ask("GET", "app/manifests/v1")).headers.get("docker-content-digest")).toBe(image.digest);
});

test("a quota ends an upload before it is taken in, by mount as well", async () => {
  await using kit = registryKit({ policy: policyOf([], [{ repository: "small", bytes: 10 }]) });
  await pushBlob(kit, "small", Buffer.from("12345"));
  expect(pushBlob(kit, "small", Buffer.from("1234567"))).rejects.toThrow("403");
  const digest = await pushBlob(kit, "other", Buffer.from("abcdefgh"));
  const mounted = await kit.ask("POST", `small/blobs/uploads/?mount=${digest}&from=other`);
  expect(mounted.status).toBe(403);
  await pushBlob(kit, "small", Buffer.from("67890"));
  expect(await kit.registry.context.blobs.usage("small")).toBe(10);
});

test("retention keeps the newest, the young, the immutable, and what they need", async () => {
  const policy = policyOf([{ repository: "ci/app", tags: "release-*" }], []);
  await using kit = registryKit({ policy });
  const { context } = kit.registry;
  const repository = "ci/app";
  for (const tag of ["release-1", "a", "b", "c"]) {
    await pushImage(kit, { repository, tag }, { layers: [tag], seed: tag });
    await new Promise((resolve) => setTimeout(resolve, 2)); // Tags are put in order by their times, in milliseconds.
  }
  const tags = async (): Promise<string[]> =>
    ((await (await kit.ask("GET", `${repository}/tags/list`)).json()) as { tags: string[] }).tags;
  const rules = [{ repository: "ci/**", keepLast: 1, olderThanMs: 3600_000, untaggedMs: 7200_000 }];
  expect(await retire(context, rules)).toEqual({ tags: 0, manifests: 0 });
  const hourLater = Date.now() + 3600_000;
  expect(await retire(context, rules, hourLater)).toEqual({ tags: 2, manifests: 0 });
  expect(await tags()).toEqual(["c", "release-1"]);
  expect(await retire(context, rules, hourLater + 3600_000)).toEqual({ tags: 0, manifests: 2 });
  await kit.registry.collector.collect({ graceMs: 0, uploadMs: 0 });
  for (const tag of await tags()) expect((await kit.ask("GET", `${repository}/manifests/${tag}`)).status).toBe(200);
});

test("signatures go with what they are about, and not before", async () => {
  await using kit = registryKit();
  const subject = await pushImage(kit, { repository: "a", tag: "1" }, { layers: ["x"] });
  const stored = await kit.registry.context.manifests.get("a", "1");
  const about = { mediaType: stored.mediaType, digest: subject.digest, size: stored.bytes.byteLength };
  const signature = await pushImage(kit, { repository: "a", tag: "sig" }, { layers: ["s"], more: { subject: about } });
  await kit.ask("DELETE", "a/manifests/sig");
  const rules = [{ repository: "a", untaggedMs: 0 }];
  expect(await retire(kit.registry.context, rules)).toEqual({ tags: 0, manifests: 0 });
  expect((await kit.ask("GET", `a/manifests/${signature.digest}`)).status).toBe(200);
  await kit.ask("DELETE", "a/manifests/1");
  expect(await retire(kit.registry.context, rules)).toEqual({ tags: 0, manifests: 2 });
});

test("scrub takes damaged bytes away, and the next push brings them again", async () => {
  await using kit = registryKit();
  const target = { repository: "a", tag: "1" };
  const { layers } = await pushImage(kit, target, { layers: ["sound", "damaged"] });
  const [, damaged] = layers;
  const [entry] = await kit.storage.metadata.list(`blobs/${damaged}/`);
  const id = entry?.key.split("/").at(-1)?.replace(/^\d+-/, "") ?? "";
  writeFileSync(join(kit.root, "data", id.slice(0, 2), id), "dAmaged");
  const first = await scrub(kit.storage);
  expect(first).toMatchObject({ blobs: 3, damaged: damaged ? [damaged] : [] });
  expect((await kit.ask("GET", `a/blobs/${damaged}`)).status).toBe(404);
  expect((await kit.ask("HEAD", `a/blobs/${damaged}`)).status).toBe(404);
  await pushImage(kit, target, { layers: ["sound", "damaged"] });
  expect((await scrub(kit.storage)).damaged).toEqual([]);
  expect(await (await kit.ask("GET", `a/blobs/${damaged}`)).text()).toBe("damaged");
});
