import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { type TarItem, tarHeader, writeTar } from "../../layer/tar/writer.ts";
import { drain, EngineHarness, never } from "../../testing/engine-harness.ts";
import { parseDeb822, parseOneLine } from "./bootstrap/apt-sources.ts";

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open();
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

function* files(entries: Record<string, string>): Generator<TarItem> {
  for (const [path, text] of Object.entries(entries)) {
    const body = Buffer.from(text);
    yield { header: tarHeader({ path, size: body.length }), body };
  }
}

const options = { dockerfile: "Dockerfile", tags: ["built"], buildArgs: {}, labels: {}, noCache: false, quiet: false };
const build = (dockerfile: string, signal = never()) =>
  drain(h.backend.build.build(writeTar(files({ Dockerfile: dockerfile, file: "hello" })), { ...options, signal }));

test("the busybox image has all applets, a shell as its command, and the same layer each time", async () => {
  const first = await h.backend.image.inspect("busybox");
  expect(first.Config?.Cmd).toEqual(["sh"]);
  await drain(h.backend.image.bootstrap("busybox:again", { include: [], signal: never() }));
  expect((await h.backend.image.inspect("busybox:again")).RootFS).toEqual(first.RootFS ?? { Type: "" });
  await h.backend.image.remove("busybox:again", { force: false, noprune: false });
});

test("a build's RUN is a real container; its layer holds what it changed and nothing of the engine's", async () => {
  const messages = await build(
    "FROM busybox\nRUN echo $HOME > /made && hostname > /dev/null && cat /etc/hosts | grep -q localhost\nCOPY file /f\nCMD cat /made /f\n",
  );
  expect(messages.map((m) => m["stream"]).join("")).toContain("Successfully tagged built:latest");
  const { Id: id } = await h.backend.container.create(undefined, { Image: "built" }, {});
  await h.backend.container.start(id, {});
  expect(await h.wait(id)).toBe(0);
  expect(await h.logs(id)).toBe("/root\nhello");
  const layers = readdirSync(`${h.root}/data/layers`, { recursive: true }).map(String);
  expect(layers.filter((p) => /diff\/etc\/(hosts|hostname|resolv.conf)$/.test(p))).toEqual([]);
  await expect(h.backend.image.remove("built", { force: false, noprune: false })).rejects.toMatchObject({
    kind: "conflict",
  });
  await h.backend.container.remove(id, { force: true, volumes: true, link: false });
  const removed = await h.backend.image.remove("built", { force: false, noprune: false });
  expect(removed[0]).toEqual({ Untagged: "built:latest" });
});

test("a RUN that fails ends the build with its words and code, and leaves no container, layer folder or image", async () => {
  await expect(build("FROM busybox\nRUN exit 9\n")).rejects.toThrow("returned a non-zero code: 9");
  expect(readdirSync(`${h.root}/run/containers`)).toEqual([]);
  expect(readdirSync(`${h.root}/data/tmp`)).toEqual([]);
  await expect(h.backend.image.inspect("built")).rejects.toMatchObject({ kind: "not-found" });
});

test("a client that leaves ends the step that runs", async () => {
  const abort = new AbortController();
  const stream = h.backend.build.build(writeTar(files({ Dockerfile: "FROM busybox\nRUN echo up; sleep 1000\n" })), {
    ...options,
    signal: abort.signal,
  });
  const reading = (async () => {
    for await (const message of stream) if (String(message["stream"]).includes("up")) abort.abort();
  })();
  await expect(reading).rejects.toBeDefined();
  expect(readdirSync(`${h.root}/run/containers`)).toEqual([]);
});

test("import: a tar with changes; a bad change is refused before anything is read", async () => {
  const source = { tar: writeTar(files({ "etc/hello": "hi" })) };
  const messages = await drain(
    h.backend.image.import(source, { repo: "imported", tag: "1", changes: ["CMD /x", "ENV A=b"], message: "mine" }),
  );
  expect(messages.at(-1)?.["status"]).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect((await h.backend.image.inspect("imported:1")).Config).toMatchObject({
    Env: ["A=b"],
    Cmd: ["/bin/sh", "-c", "/x"],
  });
  await expect(drain(h.backend.image.import(source, { changes: ["RUN x"] }))).rejects.toThrow(
    "RUN is not a valid change command",
  );
  await expect(drain(h.backend.image.import({ url: "ftp://x/y" }, { changes: [] }))).rejects.toThrow(
    "want an http or https URL",
  );
});

test("prune keeps what containers use; pull names the registry that it cannot reach", async () => {
  const { Id: id } = await h.backend.container.create(undefined, { Image: "imported:1" }, {});
  const kept = await h.backend.image.prune({ dangling: ["false"] });
  expect(JSON.stringify(kept.ImagesDeleted)).not.toContain("imported");
  await h.backend.container.remove(id, { force: true, volumes: true, link: false });
  expect(JSON.stringify(await h.backend.image.prune({ dangling: ["false"] }))).toContain("imported:1");
  await expect(drain(h.backend.image.pull("127.0.0.1:1/x", { all: false, signal: never() }))).rejects.toMatchObject({
    kind: "internal",
    message: 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
  });
  await drain(h.backend.image.bootstrap("busybox", { include: [], signal: never() }));
});

test("bootstrap names what it knows", async () => {
  await expect(drain(h.backend.image.bootstrap("plan9", { include: [], signal: never() }))).rejects.toThrow(
    /no recipe for "plan9".*busybox, debian, ubuntu/,
  );
  await expect(
    drain(h.backend.image.bootstrap("debian:--evil", { include: [], signal: never() })),
  ).rejects.toMatchObject({ kind: "invalid-argument" });
});

test("apt sources in both styles", () => {
  const text =
    "# c\ndeb [signed-by=/k arch=amd64] http://m.example/debian bookworm main\ndeb-src http://m.example/debian bookworm main\n";
  expect(parseOneLine(text)).toEqual([{ uri: "http://m.example/debian", suite: "bookworm" }]);
  const stanzas =
    "Types: deb\n# c\nURIs: http://m.example/d\nSuites: a a-updates\n\nTypes: deb\nEnabled: no\nURIs: http://x\nSuites: a\n\nTypes: deb-src\nURIs: http://y\nSuites: a\n";
  expect(parseDeb822(stanzas)).toEqual([
    { uri: "http://m.example/d", suite: "a" },
    { uri: "http://m.example/d", suite: "a-updates" },
  ]);
});

test("info, version and disk usage have the shape that clients read", async () => {
  expect(await h.backend.system.info()).toMatchObject({
    Driver: "overlay2",
    OSType: "linux",
    Containers: 0,
    Swarm: { LocalNodeState: "inactive" },
  });
  expect(await h.backend.system.version()).toMatchObject({
    ApiVersion: "1.51",
    MinAPIVersion: "1.24",
    Platform: { Name: "Berth" },
  });
  const usage = (await h.backend.system.diskUsage([])) as { Images: { RepoTags: string[] }[]; LayersSize: number };
  expect(usage.Images.map((i) => i.RepoTags)).toEqual([["busybox:latest"]]);
  expect(usage.LayersSize).toBeGreaterThan(0);
});
