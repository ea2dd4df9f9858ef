import { afterAll, beforeAll, expect, test } from "bun:test";
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
import { basename, join } from "node:path";
import { run } from "../../src/host/spawn.ts";
import { digestOf } from "../../src/spec/digest.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// Images into an archive and back, by both command lines.

let daemon: TestDaemon;
let folder = "";

beforeAll(async () => {
  daemon = await TestDaemon.start();
  folder = mkdtempSync("/var/tmp/berth-save.");
  writeFileSync(
    join(folder, "Dockerfile"),
    "FROM busybox\nRUN mkdir /d && ln /bin/busybox /d/hard && echo a >/d/a\nCOPY Dockerfile /d/\nENV A=b\n",
  );
  await daemon.ok("build", "-q", "-t", "built:1", folder);
  await daemon.ok("tag", "busybox", "other:2");
}, 300_000);
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await daemon[Symbol.asyncDispose]();
});

test("docker and berth write the same bytes; they load again after all was removed", async () => {
  const [ours, theirs] = [join(folder, "ours.tar"), join(folder, "theirs.tar")];
  expect((await daemon.berth("save", "-o", ours, "built:1", "other", "busybox")).code).toBe(0);
  expect((await daemon.docker("save", "-o", theirs, "built:1", "other", "busybox")).code).toBe(0);
  expect((await run(["cmp", ours, theirs])).code).toBe(0);
  const ids = await daemon.ok("images", "-q", "--no-trunc");
  await daemon.ok("rmi", "-f", "built:1", "other:2", "busybox");
  await daemon.ok("builder", "prune", "-af");
  await daemon.ok("image", "prune", "-af");
  expect(await daemon.ok("images", "-q")).toBe("");
  expect(await daemon.ok("load", "-q", "-i", ours)).toBe(
    "Loaded image: built:1\nLoaded image: other:2\nLoaded image: busybox:latest",
  );
  expect((await daemon.ok("images", "-q", "--no-trunc")).split("\n").sort()).toEqual(ids.split("\n").sort());
  expect(await daemon.ok("run", "--rm", "built:1", "sh", "-c", "cat /d/a; cmp /d/hard /bin/busybox && echo $A")).toBe(
    "a\nb",
  );
});

test("what COPY made is saved as the very layer that the image names, whatever its names", async () => {
  const context = join(folder, "context");
  for (const path of ["can/bcm.h", "can.h", "can-bus/a", "can/x/deep", "cana", "x.d/y", "x/y", "ä/ö", "ä.b"]) {
    mkdirSync(join(context, "files", path, ".."), { recursive: true });
    writeFileSync(join(context, "files", path), path);
  }
  writeFileSync(
    join(context, "Dockerfile"),
    "FROM scratch\nCOPY files/ /usr/include/\nADD files/can.h /usr/include/can/\n",
  );
  await daemon.ok("build", "-q", "-t", "copied", context);
  const archive = join(folder, "copied.tar");
  await daemon.ok("save", "-o", archive, "copied");
  const unpacked = join(folder, "unpacked");
  mkdirSync(unpacked);
  expect((await run(["tar", "-C", unpacked, "-xf", archive])).code).toBe(0);
  const [{ Layers }] = JSON.parse(readFileSync(join(unpacked, "manifest.json"), "utf8")) as [{ Layers: string[] }];
  for (const layer of Layers) expect(digestOf(readFileSync(join(unpacked, layer)))).toBe(`sha256:${basename(layer)}`);
});

test("a bundle of several images has what they share once", async () => {
  const [one, all] = [join(folder, "one.tar"), join(folder, "all.tar")];
  await daemon.ok("save", "-o", one, "built:1");
  await daemon.ok("save", "-o", all, "built:1", "other:2", "busybox");
  const names = (await run(["tar", "-tf", all])).stdout.trim().split("\n");
  expect(new Set(names).size).toBe(names.length);
  // `built` is on busybox, and `other` is another name of it: besides a config and a manifest nothing is added.
  expect(statSync(all).size - statSync(one).size).toBeLessThan(20_000);
});

test("through a pipe and back", async () => {
  const socket = `unix://${daemon.socket}`;
  const berth = join(import.meta.dir, "../../dist/berth");
  const piped = await run(["sh", "-c", `${berth} -H ${socket} save busybox | gzip | ${berth} -H ${socket} load`]);
  expect(piped.stdout).toContain("Loaded image: busybox:latest");
});

test("a failed save leaves no file behind, and an existing one as it was", async () => {
  const target = join(folder, "kept.tar");
  writeFileSync(target, "mine");
  expect((await daemon.berth("save", "-o", target, "nosuch")).stderr).toContain("No such image: nosuch");
  expect((await run(["cat", target])).stdout).toBe("mine");
  expect((await daemon.berth("save", "-o", join(folder, "new.tar"), "nosuch")).code).toBe(1);
  expect(existsSync(join(folder, "new.tar"))).toBe(false);
  expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

test("a client that goes in the middle leaves the daemon as it was", async () => {
  const files = async (): Promise<string> => (await run(["sh", "-c", `ls -l /proc/${daemon.pid}/fd | wc -l`])).stdout;
  const stop = new AbortController();
  const answer = await fetch("http://berth/images/get?names=built:1", { unix: daemon.socket, signal: stop.signal });
  await answer.body?.getReader().read();
  stop.abort();
  expect(await daemon.ok("rmi", "-f", "other:2")).toContain("Untagged: other:2");
  expect(Number(await files())).toBeLessThan(200);
});

test("events tell of save and load", async () => {
  const begin = (Date.now() / 1000).toFixed(3);
  await daemon.ok("save", "-o", join(folder, "e.tar"), "busybox");
  await daemon.ok("load", "-i", join(folder, "e.tar"));
  const end = (Date.now() / 1000 + 0.01).toFixed(3);
  const events = await daemon.ok("events", "--since", begin, "--until", end, "--format", "{{.Type}} {{.Action}}");
  expect(events).toBe("image save\nimage load");
});
