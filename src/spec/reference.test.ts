import { describe, expect, test } from "bun:test";
import { BerthError } from "./errors.ts";
import { familiarName, familiarString, parseReference, withDefaultTag } from "./reference.ts";

const HEX = "a".repeat(64);

describe("parseReference", () => {
  test.each([
    ["busybox", "docker.io", "library/busybox", undefined],
    ["busybox:1.36", "docker.io", "library/busybox", "1.36"],
    ["user/app:x", "docker.io", "user/app", "x"],
    ["localhost/app", "localhost", "app", undefined],
    ["host:5000/a/b/c:t", "host:5000", "a/b/c", "t"],
    ["example.org/app", "example.org", "app", undefined],
    ["index.docker.io/app", "docker.io", "library/app", undefined],
    ["[::1]:5000/app", "[::1]:5000", "app", undefined],
    ["a__b/c--d.e", "docker.io", "a__b/c--d.e", undefined],
  ])("%s", (text, domain, path, tag) => {
    const ref = parseReference(text);
    expect([ref.domain, ref.path, ref.tag]).toEqual([domain, path, tag]);
  });

  test("keeps tag and digest", () => {
    const ref = parseReference(`app:1@sha256:${HEX}`);
    expect(ref).toEqual({ domain: "docker.io", path: "library/app", tag: "1", digest: `sha256:${HEX}` });
  });

  test.each([
    "",
    ":tag",
    "a//b",
    "-a",
    "a:",
    "a:b c",
    "app@sha256:12",
    "a@b@c",
    "../etc",
    "a/../b",
    `${"a/".repeat(200)}b`,
    `app:${"t".repeat(129)}`,
  ])("refuses %p", (text) => {
    expect(() => parseReference(text)).toThrow(BerthError);
  });

  test("upper case names what is wrong", () => {
    expect(() => parseReference("user/App")).toThrow("repository name (user/App) must be lowercase");
  });
});

describe("familiar names", () => {
  test.each([
    ["docker.io/library/busybox", "busybox"],
    ["docker.io/user/app", "user/app"],
    ["host:5000/app", "host:5000/app"],
    ["docker.io/library/a/b", "library/a/b"],
  ])("%s", (text, name) => {
    expect(familiarName(parseReference(text))).toBe(name);
  });

  test("a default tag is added only where neither tag nor digest is there", () => {
    expect(familiarString(withDefaultTag(parseReference("busybox")))).toBe("busybox:latest");
    expect(familiarString(withDefaultTag(parseReference(`busybox@sha256:${HEX}`)))).toBe(`busybox@sha256:${HEX}`);
  });
});
