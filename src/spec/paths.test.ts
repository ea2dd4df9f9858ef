import { expect, test } from "bun:test";
import { posix } from "node:path";
import { decodeName, encodeName } from "./names.ts";
import { baseName, dirName, joinPaths, normalizePath } from "./paths.ts";

/** All texts of up to six of these pieces. */
function texts(): string[] {
  const pieces = ["/", ".", "..", "a", "bc"];
  let all = [""];
  for (let i = 0; i < 5; i++) all = [...new Set(all.flatMap((text) => [text, ...pieces.map((piece) => text + piece)]))];
  return all;
}

test("the same as node:path's, for whatever is UTF-8", () => {
  for (const text of texts()) {
    expect([text, normalizePath(text)]).toEqual([text, posix.normalize(text)]);
    expect([text, baseName(text)]).toEqual([text, posix.basename(text)]);
    // Of doubled slashes it keeps some.
    if (!text.includes("//")) expect([text, dirName(text)]).toEqual([text, posix.dirname(text)]);
    expect([text, joinPaths("x", text)]).toEqual([text, posix.join("x", text)]);
    expect([text, joinPaths(text, "y")]).toEqual([text, posix.join(text, "y")]);
  }
});

test("names that are not UTF-8 stay what they are", () => {
  const name = decodeName(Buffer.from("caf\xe9", "latin1"));
  for (const path of [joinPaths("/a", name), normalizePath(`/a/./${name}`), `/a/${baseName(`/b/${name}/`)}`]) {
    expect(encodeName(path)).toEqual(Buffer.from("/a/caf\xe9", "latin1"));
  }
  expect(encodeName(dirName(`/${name}/x`))).toEqual(Buffer.from("/caf\xe9", "latin1"));
});
