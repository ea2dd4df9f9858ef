import { describe, expect, test } from "bun:test";
import type { Wish } from "../../types.ts";
import { accessClaim, grantedOf, grants, parseScopes, scopeFor } from "./scope.ts";

const repo = (name: string, ...actions: string[]) => ({ type: "repository", name, actions });

describe("scopes as clients write them", () => {
  test.each([
    ["repository:samalba/my-app:pull,push", [repo("samalba/my-app", "pull", "push")]],
    ["repository:a:pull repository:b/c:pull", [repo("a", "pull"), repo("b/c", "pull")]],
    ["repository(plugin):sams/p:pull", [repo("sams/p", "pull")]],
    ["repository:a:*", [repo("a", "*")]],
    ["repository:a:pull,pull,pull", [repo("a", "pull")]],
    ["registry:catalog:*", [{ type: "registry", name: "catalog", actions: ["*"] }]],
    ["", []],
    ["   ", []],
  ])("%j", (text, access) => {
    expect(parseScopes([text])).toEqual(access);
  });

  test.each([
    "repository",
    "repository:a",
    "repository::pull",
    "repository:../../etc/passwd:pull",
    "repository:a/../b:pull",
    "repository:/a:pull",
    "repository:a//b/:pull",
    "repository:a%2fb:pull",
    "repository:A:pull",
    "repository:a*:pull",
    "repository:**:pull",
    "repository:a\0b:pull",
    `repository:${"a".repeat(300)}:pull`,
    "repository:a:pull;push",
    "user:alice:*",
    "REPOSITORY:a:pull",
    "registry:**:*",
    ":::",
  ])("what no registry has asks for nothing: %j", (text) => {
    expect(grantedOf(parseScopes([text]), () => true)).toEqual([]);
  });

  test("a flood of scopes is not read to its end", () => {
    const scopes = Array.from({ length: 5000 }, (_, i) => `repository:r${i}:pull`);
    expect(parseScopes(scopes)).toHaveLength(100);
    expect(parseScopes([scopes.join(" ")])).toHaveLength(100);
    const actions = Array.from({ length: 500 }, (_, i) => "a".repeat(i + 1)).join(",");
    expect(parseScopes([`repository:a:${actions}`])[0]?.actions).toHaveLength(10);
  });
});

describe("what is given", () => {
  const readOnly = ({ action }: Wish): boolean => action === "pull" || action === "catalog";
  test("the part that may be", () => {
    const asked = parseScopes([
      "repository:a:pull,push",
      "repository:b:push",
      "registry:catalog:*",
      "registry:admin:*",
    ]);
    expect(grantedOf(asked, readOnly)).toEqual([
      repo("a", "pull"),
      { type: "registry", name: "catalog", actions: ["*"] },
    ]);
  });
  test("`*` only where all may be", () => {
    expect(grantedOf([repo("a", "*")], readOnly)).toEqual([repo("a", "pull")]);
    expect(grantedOf([repo("a", "*")], () => true)).toEqual([repo("a", "*", "pull", "push", "delete")]);
    expect(grantedOf([repo("a", "*")], () => false)).toEqual([]);
  });
  test("a search as dockerd asks for it", () => {
    const asked = parseScopes(["registry:catalog:search"]);
    const given = grantedOf(asked, readOnly);
    expect(grants(given, { repository: "", action: "catalog" })).toBe(true);
    expect(grantedOf(asked, () => false)).toEqual([]);
  });
  test("no actions that there are not", () => {
    expect(grantedOf([repo("a", "admin", "catalog", "pull", "root")], () => true)).toEqual([repo("a", "pull")]);
    expect(grantedOf([{ type: "registry", name: "catalog", actions: ["pull"] }], () => true)).toEqual([]);
  });
});

describe("what a token allows", () => {
  const access = [repo("a", "pull"), repo("b", "*"), { type: "registry", name: "catalog", actions: ["*"] }];
  test.each<[Wish, boolean]>([
    [{ repository: "a", action: "pull" }, true],
    [{ repository: "a", action: "push" }, false],
    [{ repository: "a/b", action: "pull" }, false],
    [{ repository: "b", action: "delete" }, true],
    [{ repository: "", action: "catalog" }, true],
    [{ repository: "", action: "admin" }, false],
    [{ repository: "catalog", action: "pull" }, false],
  ])("%j: %p", (wish, allowed) => {
    expect(grants(access, wish)).toBe(allowed);
  });
});

test("the scope of a challenge can be asked for", () => {
  const wishes: Wish[] = [
    { repository: "a/b", action: "push" },
    { repository: "c", action: "delete" },
    { repository: "", action: "catalog" },
  ];
  expect(scopeFor(wishes)).toBe("repository:a/b:pull,push repository:c:delete registry:catalog:*");
  const given = grantedOf(parseScopes([scopeFor(wishes)]), () => true);
  expect(wishes.every((wish) => grants(given, wish))).toBe(true);
});

test.each([
  [undefined, []],
  [null, []],
  [[{ type: "repository", name: "a", actions: ["pull", 5] }], [repo("a", "pull")]],
  ["all", undefined],
  [{}, undefined],
  [[null], undefined],
  [[{ type: "repository", name: "a" }], undefined],
  [[{ type: "repository", name: ["a"], actions: ["pull"] }], undefined],
  [Array.from({ length: 1001 }, () => repo("a", "pull")), undefined],
])("a claim of any shape", (claim, access) => {
  expect(accessClaim(claim)).toEqual(access);
});
