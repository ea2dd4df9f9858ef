import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { drain, EngineHarness, never } from "../../../testing/engine-harness.ts";
import { checkMirror } from "./mirror.ts";

// What needs no distribution: the table of recipes, scratch and busybox.

let h: EngineHarness;
beforeAll(async () => {
  h = await EngineHarness.open({ busybox: false });
});
afterAll(async () => {
  await h[Symbol.asyncDispose]();
});

const bootstrap = (
  name: string,
  options: { from?: string; mirror?: string; include?: string[]; signal?: AbortSignal } = {},
) => drain(h.backend.image.bootstrap(name, { include: [], signal: never(), ...options }));

test("scratch names no image; under another name it is one with nothing in it, the same each time", async () => {
  await expect(bootstrap("scratch")).rejects.toThrow("'scratch' is a reserved name");
  await expect(bootstrap("a:1", { from: "scratch:1" })).rejects.toThrow("scratch has no tags");
  await bootstrap("a:1", { from: "scratch" });
  await bootstrap("b:2", { from: "scratch" });
  const [a, b] = await Promise.all(["a:1", "b:2"].map((name) => h.backend.image.inspect(name)));
  expect(a?.Size).toBe(0);
  expect(a?.RootFS).toEqual(b?.RootFS ?? { Type: "" });
  await expect(h.backend.container.create(undefined, { Image: "a:1" }, {})).rejects.toThrow("no command specified");
});

test("an image has the name that is asked for, whatever it is made from", async () => {
  const said = await bootstrap("registry.example/base/box:7", { from: "busybox" });
  expect(said.at(-1)?.["stream"]).toContain("Successfully tagged registry.example/base/box:7\n");
  expect((await h.backend.image.inspect("registry.example/base/box:7")).Config?.Cmd).toEqual(["sh"]);
  await expect(h.backend.image.inspect("busybox")).rejects.toMatchObject({ kind: "not-found" });
});

test("what a recipe does not take is refused, and what is no package or no name", async () => {
  await expect(bootstrap("busybox", { mirror: "http://m.example" })).rejects.toThrow("busybox takes no --mirror");
  await expect(bootstrap("x", { from: "scratch", include: ["a"] })).rejects.toThrow("scratch takes no --include");
  await expect(bootstrap("debian:stable", { include: ["--evil"] })).rejects.toThrow('"--evil" is no package name');
  await expect(bootstrap("Bad:1", { from: "busybox" })).rejects.toMatchObject({ kind: "invalid-argument" });
  await expect(bootstrap("x", { from: "plan9" })).rejects.toThrow('no recipe for "plan9"');
});

test("one that nobody waits for any more leaves nothing", async () => {
  await expect(bootstrap("late:1", { from: "busybox", signal: AbortSignal.abort() })).rejects.toThrow("cancelled");
  await expect(h.backend.image.inspect("late:1")).rejects.toMatchObject({ kind: "not-found" });
  expect(readdirSync(`${h.root}/data/tmp`).filter((name) => name.startsWith("bootstrap"))).toEqual([]);
});

test("mirrors: any http, https or file URL, or a folder; nothing that would leak into a sources list", () => {
  expect(checkMirror("http://m.example/debian/")).toBe("http://m.example/debian");
  expect(checkMirror("https://m.example:8443")).toBe("https://m.example:8443");
  expect(checkMirror("/srv/mirror")).toBe("file:///srv/mirror");
  for (const bad of [
    "m.example/debian",
    "ftp://m.example",
    "http://u:p@m.example",
    "http://m.example/a b",
    "http://m/?q",
    "",
  ])
    expect(() => checkMirror(bad)).toThrow("bootstrap: the mirror");
  expect(() => checkMirror("http://m.example/\ndeb http://evil")).toThrow();
  expect(() => checkMirror("http://joe:secret@m.example")).not.toThrow("secret");
});
