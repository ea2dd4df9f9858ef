import { globMatcher } from "../globs.ts";
import type { Wish } from "../types.ts";
import type { AccessConfig, Grant, Rule } from "./config.ts";

interface Compiled {
  fits(user: string): boolean;
  covers(repository: string): boolean;
  everywhere: boolean;
  actions: ReadonlySet<Grant>;
}

/** Who may do what. The anonymous user's name is empty. */
export class Rules {
  readonly #rules: Compiled[];

  constructor(rules: readonly Rule[], groups: AccessConfig["groups"] = {}) {
    this.#rules = rules.map((rule) => compile(rule, groups));
  }

  may(user: string, { repository, action }: Wish): boolean {
    return this.#rules.some((rule) => {
      if (!rule.fits(user)) return false;
      if (action === "admin") return rule.actions.has("admin") || (rule.everywhere && rule.actions.has("*"));
      // A list shows what one may pull, so that who may pull anything may ask for it.
      if (action === "catalog") return ["catalog", "pull", "*"].some((grant) => rule.actions.has(grant as Grant));
      return (rule.actions.has(action) || rule.actions.has("*")) && rule.covers(repository);
    });
  }

  /** True where somebody who says no name may do anything at all. */
  get anonymous(): boolean {
    return this.#rules.some((rule) => rule.fits(""));
  }
}

/** The rules of a configuration, with those that stand for none. */
export function rulesOf(config: AccessConfig, { users }: { users: boolean }): Rules {
  const { rules = [], anonymous = [], groups = {} } = config;
  const everything = (user: string): Rule => ({ user, repository: "**", actions: ["*"] });
  if (rules.length === 0 && anonymous.length === 0) return new Rules([everything(users ? "*" : "")]);
  const open: Rule[] = anonymous.length > 0 ? [{ user: "", repository: "**", actions: anonymous }] : [];
  const named = rules.length === 0 && users ? [everything("*")] : rules;
  return new Rules([...open, ...named], groups);
}

function compile(rule: Rule, groups: AccessConfig["groups"] = {}): Compiled {
  return {
    fits: fits(rule, groups),
    covers: globMatcher(rule.repository),
    everywhere: rule.repository === "**",
    actions: new Set(rule.actions),
  };
}

function fits(rule: Rule, groups: Readonly<Record<string, readonly string[]>>): (user: string) => boolean {
  if ("group" in rule) {
    const members = new Set(groups[rule.group] ?? []);
    return (user) => user !== "" && members.has(user);
  }
  if (rule.user === "") return () => true;
  return rule.user === "*" ? (user) => user !== "" : (user) => user === rule.user;
}
