import { expect, test } from "bun:test";
import { familiarString } from "../../spec/reference.ts";
import { annotationsFor, isNamed, nameOf, referenceOf } from "./names.ts";

const CONTAINERD = "io.containerd.image.name";
const REF = "org.opencontainers.image.ref.name";

test.each([
  [{}, undefined],
  [{ [REF]: "v1" }, undefined],
  [{ [REF]: "app:v1" }, "app:v1"],
  [{ [REF]: "host:5000/app" }, "host:5000/app:latest"],
  [{ [REF]: "v1", [CONTAINERD]: "docker.io/library/app:v2" }, "app:v2"],
  [{ [CONTAINERD]: "NOT A NAME", [REF]: "a/b:1" }, "a/b:1"],
])("%j is called %p", (annotations, name) => {
  const ref = nameOf(annotations as Record<string, string>);
  expect(ref && familiarString(ref)).toBe(name);
});

test.each([
  [{ [REF]: "v1" }, "v1", true],
  [{ [REF]: "v1" }, "v2", false],
  [{ [REF]: "v1", [CONTAINERD]: "docker.io/library/app:v1" }, "app:v1", true],
  [{ [REF]: "v1", [CONTAINERD]: "docker.io/library/app:latest" }, "app", true],
  [{ [REF]: "latest", [CONTAINERD]: "host:5000/x/app:latest" }, "app", false],
  [{}, "v1", false],
])("%j is meant by %p: %p", (annotations, name, meant) => {
  expect(isNamed(annotations as Record<string, string>, name)).toBe(meant);
});

test("names of entries: the image's own, a tag as it stands, a whole name as both kinds of reader want it", () => {
  const ref = referenceOf("host:5000/x/app:v1");
  expect(annotationsFor(undefined, undefined)).toEqual({});
  expect(annotationsFor(undefined, ref)).toEqual({ [CONTAINERD]: "host:5000/x/app:v1", [REF]: "v1" });
  expect(annotationsFor("v2", ref)).toEqual({ [REF]: "v2" });
  expect(annotationsFor("app:v2", ref)).toEqual({ [CONTAINERD]: "docker.io/library/app:v2", [REF]: "app:v2" });
  expect(annotationsFor("odd name", undefined)).toEqual({ [REF]: "odd name" });
});

test.each([undefined, "", "UPPER", "a b", "sha256:zz@"])("%p is no reference", (text) =>
  expect(referenceOf(text)).toBeUndefined(),
);
