import { describe, expect, test } from "bun:test";
import { defaultRegistryOf, mirrorsOf, shortNamesOf } from "./registries.ts";

const hub = (url: string) => ({ registry: "docker.io", url });

describe("registry-mirrors", () => {
  test("Docker's list is of Docker Hub's mirrors, in its order", () =>
    expect(mirrorsOf(["https://b.example", "http://a.example:5000/hub/"])).toEqual([
      hub("https://b.example"),
      hub("http://a.example:5000/hub/"),
    ]));

  test("an entry may name its registry, as the flag does", () =>
    expect(mirrorsOf(["quay.example:443=https://m.example/v2/quay", "https://m.example/a=b"])).toEqual([
      { registry: "quay.example:443", url: "https://m.example/v2/quay" },
      hub("https://m.example/a=b"),
    ]));

  test("an object has a list for each registry; the hub's other names are the hub", () =>
    expect(mirrorsOf({ "index.docker.io": ["https://m.example"], "[::1]:5000": ["https://n.example"] })).toEqual([
      hub("https://m.example"),
      { registry: "[::1]:5000", url: "https://n.example" },
    ]));

  test("nothing is no mirrors", () => expect(mirrorsOf(undefined)).toEqual([]));

  test.each([
    ["https://m.example", "wants a list of URLs"],
    [null, "wants a list of URLs"],
    [[1], "wants a list of URLs"],
    [{ "quay.example": "https://m.example" }, "wants a list of URLs"],
    [{ "quay.example": [1] }, "wants a list of URLs"],
    [["m.example"], 'invalid mirror: "m.example" (a URL'],
    [["ftp://m.example"], "invalid mirror"],
    [["https://m.example?x=1"], "invalid mirror"],
    [["https://m.example/#x"], "invalid mirror"],
    [["https://"], "invalid mirror"],
    [["https://m.example:99999"], "invalid mirror"],
    [["quay.example="], "invalid mirror"],
    [{ "quay.example/team": ["https://m.example"] }, 'invalid mirror: "quay.example/team" (a registry\'s host'],
    [{ "": ["https://m.example"] }, "a registry's host"],
  ])("%j is refused: %s", (given, words) => expect(() => mirrorsOf(given)).toThrow(words));

  test("a password in a URL is refused, and not repeated", () => {
    const refused = () => mirrorsOf(["https://me:hunter2@m.example/x"]);
    expect(refused).toThrow("invalid mirror: https://…@m.example/x (a mirror is asked without a name and password");
    expect(refused).not.toThrow("hunter2");
  });
});

describe("default-registry", () => {
  test.each([
    ["registry.example", "registry.example"],
    ["registry.example:5000/hub/", "registry.example:5000/hub"],
    ["localhost/a/b", "localhost/a/b"],
    ["docker.io", undefined],
    [undefined, undefined],
  ])("%s is %s", (given, expected) => expect(defaultRegistryOf(given)).toBe(expected as never));

  test.each([
    "",
    "hub",
    "https://registry.example",
    "registry.example/Hub",
    "registry.example/a//b",
    "registry.example:x",
    "me:hunter2@registry.example",
    "registry.example/a:1",
  ])("%j is refused", (given) => expect(() => defaultRegistryOf(given)).toThrow("invalid default-registry"));
});

describe("short-names", () => {
  const expected = { pg: "registry.example:5000/db/postgres", "team/app": "docker.io/library/app" };

  test("by flags and by the file", () => {
    expect(shortNamesOf(["pg=registry.example:5000/db/postgres", "team/app=docker.io/app"])).toEqual(expected);
    expect(shortNamesOf({ pg: "registry.example:5000/db/postgres", "team/app": "docker.io/app" })).toEqual(expected);
    expect(shortNamesOf(undefined)).toEqual({});
  });

  test.each([
    ["pg"],
    [["pg"]],
    [["=registry.example/x"]],
    [["pg:16=registry.example/x"]],
    [["pg=registry.example/x:1"]],
    [["pg=postgres"]],
    [["pg=db/postgres"]],
    [["other.example/pg=registry.example/x"]],
    [["PG=registry.example/x"]],
    [{ pg: 1 }],
    [{ pg: ["registry.example/x"] }],
    [{ pg: `registry.example/x@sha256:${"a".repeat(64)}` }],
  ])("%j is refused", (given) => expect(() => shortNamesOf(given)).toThrow("invalid short name"));
});
