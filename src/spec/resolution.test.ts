import { expect, test } from "bun:test";
import { parseReference } from "./reference.ts";
import { longName, placeOf, registryOf } from "./resolution.ts";

const shortNames = { pg: "registry.example:5000/db/postgres", "team/app": "docker.io/other/app" };
const digest = `sha256:${"a".repeat(64)}`;

test.each([
  ["pg", "registry.example:5000/db/postgres"],
  ["pg:16", "registry.example:5000/db/postgres:16"],
  ["docker.io/library/pg:16", "registry.example:5000/db/postgres:16"],
  [`pg@${digest}`, `registry.example:5000/db/postgres@${digest}`],
  ["team/app:1", "docker.io/other/app:1"],
])("%s is short for %s", (name, long) =>
  expect(longName(parseReference(name), { shortNames })).toEqual(parseReference(long)),
);

test.each(["postgres", "other.example/pg", "team/pg", "library/team/app", "constructor", "localhost/pg"])(
  "%s is no short name",
  (name) => expect(longName(parseReference(name), { shortNames })).toBeUndefined(),
);

test.each([
  ["busybox:1", "registry.example", "registry.example/library/busybox:1"],
  ["team/app", "registry.example:5000", "registry.example:5000/team/app"],
  ["busybox", "registry.example/hub", "registry.example/hub/library/busybox"],
  ["busybox", "localhost/a/b", "localhost/a/b/library/busybox"],
  ["other.example/app:1", "registry.example/hub", "other.example/app:1"],
])("%s with %s as default is at %s", (name, defaultRegistry, place) =>
  expect(placeOf(parseReference(name), { defaultRegistry })).toEqual(parseReference(place)),
);

test("without a default registry the reference itself is the place", () => {
  const ref = parseReference("busybox");
  expect(placeOf(ref, {})).toBe(ref);
});

test.each([
  ["busybox", "default.example"],
  ["pg", "registry.example:5000"],
  ["team/app", "default.example"],
  ["other.example/pg", "other.example"],
])("%s needs the credentials of %s", (name, registry) =>
  expect(registryOf(parseReference(name), { shortNames, defaultRegistry: "default.example/hub" })).toBe(registry),
);
