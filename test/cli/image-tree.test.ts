import { expect, test } from "bun:test";
import { run } from "../../src/host/spawn.ts";
import { DOCKER } from "../../src/testing/daemon.ts";
import { fakeEngine } from "./fake-engine.ts";
import { berth } from "./harness.ts";

const ID = (letter: string): string => `sha256:${letter.repeat(64)}`;
const platform = (architecture: string, total: number, containers: string[] = []): object => ({
  ID: ID("d"),
  Descriptor: { mediaType: "m", digest: ID("d"), size: 1 },
  Available: true,
  Kind: "image",
  Size: { Content: 1000, Total: total },
  ImageData: { Platform: { os: "linux", architecture }, Containers: containers, Size: { Unpacked: 1 } },
});
const IMAGES = [
  { Id: ID("a"), RepoTags: ["busybox:latest"], RepoDigests: [], Created: 30, Size: 2_063_272, Containers: 1 },
  {
    Id: ID("b"),
    RepoTags: ["a:1", "registry.example:5000/a/long/name:1", "short:2"],
    RepoDigests: [],
    Created: 20,
    Size: 1_500_000_000,
    Containers: 0,
  },
  {
    Id: ID("c"),
    RepoTags: ["many:1"],
    RepoDigests: [],
    Created: 10,
    Size: 5_000_000,
    Containers: 0,
    Manifests: [platform("amd64", 3_000_000, ["x"]), platform("arm64", 2_000_000)],
  },
  { Id: ID("e"), RepoTags: [], RepoDigests: [], Created: 5, Size: 0, Containers: 0 },
];

/** What docker shows, without its colours, its warning and its legend. */
async function dockers(host: string, ...argv: string[]): Promise<string[]> {
  const done = await run([DOCKER, "images", "--tree", ...argv], {
    env: { PATH: process.env["PATH"] ?? "", DOCKER_HOST: host, HOME: "/nonexistent" },
  });
  const plain = done.stdout.replace(/\x1b\[[0-9;]*m/g, "").split("\n");
  return lines(plain.slice(plain.findIndex((line) => line.startsWith("IMAGE"))));
}

const lines = (all: string[]): string[] => all.map((line) => line.trimEnd().replaceAll(/ {2,}/g, "  ")).filter(Boolean);

test.each([[[]], [["-a"]]])("images --tree %p: the lines that docker draws", async (argv) => {
  await using engine = await fakeEngine({
    "GET /_ping": (_, r) => r.writeHead(200, { "Api-Version": "1.51" }).end("OK"),
    "GET /v1.50/images/json": IMAGES,
    "GET /images/json": IMAGES,
  });
  const mine = await berth(["images", "--tree", ...argv], engine);
  expect(mine.code).toBe(0);
  expect(lines(mine.out.split("\n"))).toEqual(await dockers(engine.host, ...argv));
  expect(engine.seen.find((s) => s.path === "/images/json")?.query.get("manifests")).toBe("1");
});

test("the columns are aligned, sizes to the right", async () => {
  await using engine = await fakeEngine({ "GET /images/json": IMAGES.slice(0, 2) });
  expect((await berth(["images", "--tree"], engine)).out).toBe(
    [
      "IMAGE            ID             DISK USAGE   CONTENT SIZE   EXTRA",
      "busybox:latest   aaaaaaaaaaaa       2.06MB             0B   U",
      "registry.example:5000/a/long/name:1",
      "short:2",
      "a:1              bbbbbbbbbbbb        1.5GB             0B",
      "",
    ].join("\n"),
  );
});

test.each([
  [["-q"], "--quiet"],
  [["--no-trunc"], "--no-trunc"],
  [["--digests"], "--show-digest"],
  [["--format", "x"], "--format"],
])("%p does not go with --tree", async (argv, flag) => {
  const { code, err } = await berth(["images", "--tree", ...argv]);
  expect([code, err]).toEqual([1, `${flag} is not yet supported with --tree\n`]);
});
