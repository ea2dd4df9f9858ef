import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StageMount } from "../../src/host/monitor-types.ts";
import { DISPLACED, kernelMap } from "../../src/spec/id-map.ts";
import type { RuntimeSpec } from "../../src/spec/runtime-spec.ts";
import { type Bench, collect, split, withHelpers } from "./harness.ts";

const MAP = { uids: kernelMap(1234, 0), gids: kernelMap(1235, 0) };

/** Runs a command with these stages at /0, /1, …; gives what it prints. */
async function withStages(bench: Bench, stages: StageMount[], command: string): Promise<string> {
  const options = { ...bench.prepare(["sh", "-c", command]), stages };
  const file = join(options.dir, "config.json");
  const spec = JSON.parse(readFileSync(file, "utf8")) as RuntimeSpec;
  for (const n of stages.keys())
    spec.mounts?.push({
      destination: `/${n}`,
      type: "bind",
      source: join(options.dir, "stage", String(n)),
      options: ["rbind"],
    });
  writeFileSync(file, JSON.stringify(spec));
  const handle = await bench.launch(options);
  const stream = await handle.attach({ stdin: false, stdout: true, stderr: true });
  const output = collect(stream);
  await handle.start();
  await handle.exited;
  await handle.gone;
  const { stdout, stderr } = split(await output, false);
  return stdout + stderr;
}

withHelpers("stages", (bench) => {
  const folder = (name: string): string => {
    const path = join(bench().dir, name);
    mkdirSync(path);
    writeFileSync(join(path, "file"), "theirs");
    for (const owned of [path, join(path, "file")]) chownSync(owned, 1234, 1235);
    return path;
  };

  test("owners are mapped both ways, below a source and alone too", async () => {
    const source = folder("owned");
    const stages = [
      { source, owners: MAP },
      { source, subpath: "file", owners: MAP },
      { source, owners: MAP, alone: true },
    ];
    const said = await withStages(bench(), stages, "ls -ln /0/file /1 /2/file; echo x >/0/new");
    expect(
      said
        .trim()
        .split("\n")
        .map((line) => line.split(/ +/).slice(2, 4)),
    ).toEqual([
      ["0", "0"],
      ["0", "0"],
      ["0", "0"],
    ]);
    expect(statSync(join(source, "new"))).toMatchObject({ uid: 1234, gid: 1235 });
    const displaced = join(source, "roots");
    writeFileSync(displaced, "");
    expect(await withStages(bench(), stages.slice(0, 1), "ls -ln /0/roots")).toContain(` ${DISPLACED} ${DISPLACED} `);
  });

  test("a secret is a copy in memory, with its owner and mode", async () => {
    const source = join(bench().dir, "secret");
    writeFileSync(source, "\0binary\n");
    const secret = { uid: 7, gid: 8, mode: 0o440 };
    const said = await withStages(
      bench(),
      [
        { source, secret },
        { source, secret },
      ],
      "ls -ln /0; cat /1; cat /proc/self/mounts",
    );
    expect(said).toMatch(/^-r--r----- +1 7 +8 +8 /);
    expect(said).toContain("\0binary\n");
    expect(said).toContain("secret /0 tmpfs ");
    expect(statSync(source)).toMatchObject({ uid: 0, size: 8 });
  });

  test.each<[string, (dir: string) => StageMount, string]>([
    [
      "a file system without owners",
      () => ({ source: "/proc", owners: MAP }),
      "map: the file system proc on /proc cannot map",
    ],
    [
      "no map",
      (dir) => ({ source: dir, owners: { uids: "x", gids: "0 0 1" } }),
      "map: user namespace: Invalid argument",
    ],
    ["half a map", (dir) => ({ source: dir, owners: { uids: "0 0 1" } as never }), "uids and gids go together"],
    [
      "no secret there",
      (dir) => ({ source: `${dir}/none`, secret: { uid: 0, gid: 0, mode: 0o400 } }),
      "none: No such file or directory",
    ],
    ["a folder as a secret", (dir) => ({ source: dir, secret: { uid: 0, gid: 0, mode: 0o400 } }), "Is a directory"],
    ["a way out", (dir) => ({ source: dir, subpath: "out" }), "path concatenation escapes the base directory"],
  ])("%s is refused, and nothing is left", async (_, stage, words) => {
    const dir = join(bench().dir, "plain");
    mkdirSync(dir, { recursive: true });
    spawnSync("ln", ["-sfn", "/etc", join(dir, "out")]);
    await expect(withStages(bench(), [stage(dir)], "true")).rejects.toThrow(words);
  });

  describe("one mount in the caller's namespace", () => {
    const bind = (...words: string[]): { status: number | null; text: string } => {
      const script = 'helper=$0 target=$1; shift; "$helper" bind "$@" "$target" && ls -ln "$target"';
      const at = join(bench().dir, "at");
      mkdirSync(at, { recursive: true });
      const { status, stdout, stderr } = spawnSync(
        "unshare",
        ["-m", "sh", "-c", script, bench().helper, at, ...words],
        { encoding: "utf8" },
      );
      return { status, text: stdout + stderr };
    };

    test("with a map, with a path below, plain; and refused", () => {
      const source = folder("bound");
      mkdirSync(join(source, "sub"));
      writeFileSync(join(source, "sub/inner"), "");
      symlinkSync("/etc", join(source, "out"));
      expect(bind(source, "", MAP.uids, MAP.gids).text).toMatch(/ 0 +0 +6 .*file/);
      expect(bind(source, "sub", "", "").text).toContain("inner");
      expect(bind(source, "", "", "").text).toMatch(/ 1234 +1235 +6 .*file/);
      expect(bind(source, "out", "", "")).toMatchObject({
        status: 1,
        text: expect.stringContaining("escapes the base directory"),
      });
      expect(bind(join(source, "none"), "", "", "")).toMatchObject({
        status: 1,
        text: expect.stringContaining("No such file"),
      });
      expect(bind("/sys", "", MAP.uids, MAP.gids)).toMatchObject({
        status: 1,
        text: expect.stringContaining("cannot map owners"),
      });
    });
  });
});
