import { expect, test } from "bun:test";
import { parseDigest, shortId } from "./digest.ts";
import { BerthError, fromErrno, isKind } from "./errors.ts";
import { formatPlatform, hostPlatform, parsePlatform, platformMatches } from "./platform.ts";

test("platforms are read as Docker writes them", () => {
  expect(parsePlatform("linux/arm/v7")).toEqual({ os: "linux", architecture: "arm", variant: "v7" });
  expect(parsePlatform("amd64")).toEqual({ os: "linux", architecture: "amd64" });
  expect(parsePlatform("linux")).toEqual(hostPlatform());
  expect(formatPlatform({ os: "linux", architecture: "arm", variant: "v7" })).toBe("linux/arm/v7");
});

test("a missing variant matches, another architecture does not", () => {
  const arm = { os: "linux", architecture: "arm64", variant: "v8" };
  expect(platformMatches({ os: "linux", architecture: "arm64" }, arm)).toBe(true);
  expect(platformMatches({ os: "linux", architecture: "amd64" }, arm)).toBe(false);
  expect(platformMatches({ os: "linux", architecture: "arm64", variant: "v9" }, arm)).toBe(false);
});

test("digests are whole or refused", () => {
  const digest = parseDigest(`sha256:${"0a".repeat(32)}`);
  expect(shortId(digest)).toBe("0a0a0a0a0a0a");
  for (const bad of ["", "sha256:", `sha256:${"A".repeat(64)}`, `md5:${"a".repeat(64)}`, `sha256:${"a".repeat(63)}`]) {
    expect(() => parseDigest(bad)).toThrow(BerthError);
  }
});

test("a full disk is named as such, with the next step", () => {
  const error = fromErrno(Object.assign(new Error("write"), { code: "ENOSPC" }), "layer 12ab");
  expect(isKind(error, "no-space")).toBe(true);
  expect(error.message).toStartWith("layer 12ab: no space left on device (free some space");
});
