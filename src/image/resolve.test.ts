import { afterEach, beforeEach, expect, test } from "bun:test";
import type { Digest } from "../spec/digest.ts";
import { digestOf, openTestStore, type TestStore } from "./fixture.ts";

let store: TestStore;
const ids: Digest[] = [];
beforeEach(async () => {
  store = openTestStore();
  ids.length = 0;
  for (let i = 0; i < 17; i++) {
    ids.push(
      (await store.images.create({ run: { User: String(i) }, history: [], created: "2024-01-01T00:00:00Z" })).id,
    );
  }
});
afterEach(() => store.close());

const first = (): Digest => ids[0] ?? "sha256:";
const idOf = (name: string): Digest => store.images.resolve(name).id;

test("an image is found by id, bare id, prefix, and by every way to write its name", () => {
  store.images.tag(first(), "app");
  const hex = first().slice(7);
  const ways = [
    first(),
    hex,
    hex.slice(0, 12),
    `sha256:${hex.slice(0, 12)}`,
    "app",
    "app:latest",
    "library/app",
    "docker.io/library/app:latest",
    "index.docker.io/app",
    `app@${first()}`,
    `app:any@${first()}`,
  ];
  expect(ways.map(idOf)).toEqual(ways.map(first));
  expect(store.images.get(first())?.tags).toEqual(["app:latest"]);
  expect(store.images.get(digestOf("x"))).toBeUndefined();
});

test("a name comes before a prefix of an id", () => {
  const other = ids[1] ?? first();
  const prefix = first().slice(7, 17);
  store.images.tag(other, prefix);
  expect(idOf(prefix)).toBe(other);
  expect(idOf(`sha256:${prefix}`)).toBe(first());
});

test("an ambiguous prefix is told from an unknown image", () => {
  // Of 17 ids two begin with the same digit.
  const digits = ids.map((id) => id.slice(7, 8));
  const twice = digits.find((d, i) => digits.indexOf(d) !== i) ?? "";
  expect(() => idOf(`sha256:${twice}`)).toThrow(/prefix . is ambiguous: \d+ images begin with it \(give more digits\)/);
});

test("unknown images, in Docker's words", () => {
  const missing = digestOf("missing");
  expect(() => idOf("nosuch")).toThrow("No such image: nosuch:latest");
  expect(() => idOf(`nosuch@${missing}`)).toThrow(`No such image: nosuch@${missing}`);
  expect(() => idOf(missing)).toThrow(`No such image: ${missing}`);
  expect(() => idOf(missing.slice(7))).toThrow(`No such image: ${missing.slice(7)}`);
  expect(() => idOf(`other@${first()}`)).toThrow("No such image: other@");
  expect(() => idOf("x:y:z")).toThrow("invalid reference format");
  expect(() => idOf("")).toThrow("invalid reference format");
  expect(() => idOf("UPPER")).toThrow("must be lowercase");
});

test("a tag moves from one image to another", () => {
  const other = ids[1] ?? first();
  store.images.tag(first(), "user/app:1");
  store.images.tag(other, "user/app:1");
  expect(store.images.get(first())?.tags).toEqual([]);
  expect(store.images.get(other)?.tags).toEqual(["user/app:1"]);
});

test("names that could be taken for ids, and bad ones, are refused in Docker's words", () => {
  const refused = (target: string, message: string) => expect(() => store.images.tag(first(), target)).toThrow(message);
  refused("sha256:b", "refusing to create an ambiguous tag using digest algorithm as name");
  refused(
    `${"ab".repeat(32)}:1`,
    `invalid repository name (${"ab".repeat(32)}), cannot specify 64-byte hexadecimal strings`,
  );
  refused(`a@${first()}`, "refusing to create a tag with a digest reference");
  refused("a:b:c", "invalid reference format");
  expect(() => store.images.tag("nosuch", "a:1")).toThrow("No such image: nosuch:latest");
});

test("names outlive a restart", () => {
  store.images.tag(first(), "kept:1");
  store.records.close();
  store = openTestStore(store.root);
  expect(idOf("kept:1")).toBe(first());
  expect(store.images.resolve("kept:1").config.config?.User).toBe("0");
});

test("several names are put on an image all at once, or none of them", () => {
  store.images.tag(first(), "all:1", "all:2");
  expect(store.images.resolve("all:2").tags).toEqual(expect.arrayContaining(["all:1", "all:2"]));
  expect(() => store.images.tag(first(), "none:1", "BAD")).toThrow("must be lowercase");
  expect(() => store.images.resolve("none:1")).toThrow("No such image: none:1");
});
