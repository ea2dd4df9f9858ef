import { describe, expect, test } from "bun:test";
import type { Action } from "../types.ts";
import { accessConfig } from "./check.ts";
import { type Rules, rulesOf } from "./rules.ts";

const WISHES: Action[] = ["pull", "push", "delete"];

function allowed(rules: Rules, user: string, repository: string): string {
  return WISHES.filter((action) => rules.may(user, { repository, action })).join(",");
}

function may(rules: Rules, user: string, action: Action): boolean {
  return rules.may(user, { repository: "", action });
}

describe("no rules", () => {
  test("without users all may do all", () => {
    const rules = rulesOf({}, { users: false });
    expect(allowed(rules, "", "a/b")).toBe("pull,push,delete");
    expect(may(rules, "", "catalog")).toBe(true);
    expect(may(rules, "", "admin")).toBe(true);
  });
  test("with users each of them may do all, and nobody else anything", () => {
    const rules = rulesOf({}, { users: true });
    expect(allowed(rules, "alice", "a/b")).toBe("pull,push,delete");
    expect(may(rules, "alice", "admin")).toBe(true);
    expect(allowed(rules, "", "a/b")).toBe("");
    expect(may(rules, "", "catalog")).toBe(false);
    expect(rules.anonymous).toBe(false);
  });
  test("`anonymous` lets in all to that, and users to all", () => {
    const rules = rulesOf({ anonymous: ["pull"] }, { users: true });
    expect(allowed(rules, "", "a")).toBe("pull");
    expect(allowed(rules, "alice", "a")).toBe("pull,push,delete");
    expect(may(rules, "", "catalog")).toBe(true);
    expect(may(rules, "", "admin")).toBe(false);
    expect(rules.anonymous).toBe(true);
  });
  test("`anonymous` alone makes a registry that is only read", () => {
    const rules = rulesOf({ anonymous: ["pull"] }, { users: false });
    expect(allowed(rules, "", "a")).toBe("pull");
    expect(may(rules, "", "admin")).toBe(false);
  });
});

describe("rules", () => {
  const rules = rulesOf(
    accessConfig({
      htpasswd: "users",
      groups: { dev: ["alice", "bob"] },
      rules: [
        { user: "alice", repository: "team/**", actions: ["*"] },
        { group: "dev", repository: "dev/*", actions: ["pull", "push"] },
        { user: "*", repository: "shared/**", actions: ["pull"] },
        { user: "", repository: "public", actions: ["pull"] },
        { user: "prometheus", repository: "none", actions: ["admin"] },
      ],
    }),
    { users: true },
  );
  test.each([
    ["alice", "team/app", "pull,push,delete"],
    ["alice", "team/a/b/c", "pull,push,delete"],
    ["alice", "team", ""],
    ["alice", "teams/app", ""],
    ["alice", "x/team/app", ""],
    ["bob", "team/app", ""],
    ["bob", "dev/app", "pull,push"],
    ["bob", "dev/app/sub", ""],
    ["carol", "dev/app", ""],
    ["carol", "shared/app", "pull"],
    ["", "shared/app", ""],
    ["", "public", "pull"],
    ["carol", "public", "pull"],
    ["carol", "public/app", ""],
    ["", "dev/app", ""],
    ["*", "team/app", ""],
  ])("%s in %s: %s", (user, repository, actions) => {
    expect(allowed(rules, user, repository)).toBe(actions);
  });
  test("all actions of some repositories are not the administration of all", () => {
    expect(may(rules, "alice", "admin")).toBe(false);
    expect(may(rules, "prometheus", "admin")).toBe(true);
  });
  test("a list may ask for who may pull anything", () => {
    expect(may(rules, "", "catalog")).toBe(true);
    const pushers = rulesOf({ rules: [{ user: "a", repository: "x", actions: ["push"] }] }, { users: true });
    expect(may(pushers, "a", "catalog")).toBe(false);
    expect(may(pushers, "b", "catalog")).toBe(false);
  });
  test("a dot of a pattern is a dot", () => {
    const dotted = rulesOf({ rules: [{ user: "*", repository: "a.b", actions: ["pull"] }] }, { users: true });
    expect(allowed(dotted, "u", "a.b")).toBe("pull");
    expect(allowed(dotted, "u", "a-b")).toBe("");
  });
});

describe("settings that are refused", () => {
  const rule = { user: "a", repository: "x", actions: ["pull"] };
  test.each<[Record<string, unknown>, RegExp]>([
    [{ htpaswd: "x" }, /unknown key "htpaswd"/],
    [{ mode: "digest" }, /mode is none of/],
    [{ mode: "basic" }, /needs htpasswd/],
    [{ mode: "token" }, /needs htpasswd or trust/],
    [{ mode: "none", htpasswd: "x" }, /mode none/],
    [{ mode: "basic", htpasswd: "x", anonymous: ["pull"] }, /mode basic lets in nobody anonymous/],
    [{ mode: "basic", htpasswd: "x", rules: [{ ...rule, user: "" }] }, /mode basic lets in nobody anonymous/],
    [{ htpasswd: "" }, /htpasswd is no text/],
    [{ htpasswd: 3 }, /htpasswd is no text/],
    [{ rules: {} }, /rules is no list/],
    [{ rules: ["x"] }, /rules\[0\] is no object/],
    [{ rules: [{ ...rule, group: "g" }] }, /either user or group/],
    [{ rules: [{ repository: "x", actions: ["pull"] }] }, /either user or group/],
    [{ rules: [{ group: "g", repository: "x", actions: ["pull"] }] }, /no group "g"/],
    [{ rules: [{ ...rule, user: "a:b" }] }, /no user's name/],
    [{ rules: [{ ...rule, repository: "(a+)+" }] }, /no pattern/],
    [{ rules: [{ ...rule, repository: 5 }] }, /no pattern/],
    [{ rules: [{ ...rule, actions: ["read"] }] }, /no action "read"/],
    [{ rules: [{ ...rule, actions: "pull" }] }, /actions is no list/],
    [{ rules: [{ ...rule, deny: true }] }, /unknown key "deny"/],
    [{ anonymous: ["write"] }, /no action "write"/],
    [{ groups: { g: "alice" } }, /groups.g is no list/],
    [{ groups: ["alice"] }, /groups is no object/],
    [{ proxies: ["10.0.0.0/33"] }, /no address and no subnet/],
    [{ publicUrl: "registry:5000" }, /publicUrl is no URL/],
    [{ publicUrl: "https://a:b@c" }, /publicUrl is no URL/],
    [{ htpasswd: "x", issuer: { keyFile: "" } }, /keyFile is no text/],
    [{ htpasswd: "x", issuer: { tokenSeconds: 30 } }, /tokenSeconds is no count of seconds, 60 or more/],
    [{ htpasswd: "x", issuer: { refreshSeconds: "90d" } }, /refreshSeconds/],
    [{ htpasswd: "x", issuer: { keyfile: "k" } }, /issuer: unknown key "keyfile"/],
    [{ issuer: { keyFile: "k" } }, /issuer needs htpasswd/],
    [{ trust: { realm: "https://t/", issuer: "i" } }, /trust.keys is missing/],
    [{ trust: { realm: "t", issuer: "i", keys: "k" } }, /trust.realm is no URL/],
    [{ htpasswd: "x", trust: { realm: "https://t/", issuer: "i", keys: "k" } }, /another server knows the users/],
  ])("%j", (config, why) => {
    expect(() => accessConfig(config)).toThrow(why);
  });
});
