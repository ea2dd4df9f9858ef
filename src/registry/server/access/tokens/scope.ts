import { repositoryName } from "../../names.ts";
import type { Action, Wish } from "../../types.ts";

/** Actions on one resource, as tokens hold them (distribution, "Token Authentication Implementation", claim `access`). */
export interface Access {
  type: string;
  name: string;
  actions: string[];
}

/** Of the registry itself. dockerd asks for `registry:catalog:search`. */
const ALL = ["*", "search"];
const MOST_SCOPES = 100;
const MOST_ACTIONS = 10;
const MOST_ENTRIES = 1000;
const REPOSITORY_ACTIONS: readonly Action[] = ["pull", "push", "delete"];

/**
 * Reads `TYPE:NAME:ACTION,…`, several in a text with spaces between (distribution, "Token Scope Documentation"). What cannot be read, or names what no registry has, asks
 * for nothing; past a hundred the rest is not read.
 */
export function parseScopes(texts: readonly string[]): Access[] {
  const scopes = texts.flatMap((text) => text.split(" ")).filter((text) => text !== "");
  return scopes.slice(0, MOST_SCOPES).flatMap((scope) => {
    const [, type = "", name = "", actions = ""] = /^([a-z0-9]+)(?:\([a-z0-9]+\))?:(.+):([a-z*,]*)$/.exec(scope) ?? [];
    if (type === "repository" ? !isRepository(name) : type !== "registry") return [];
    return [{ type, name, actions: [...new Set(actions.split(","))].slice(0, MOST_ACTIONS) }];
  });
}

/** What of this may be given, by `may`. Entries of which nothing remains are left out. `*` is all actions, and is given only whole. */
export function grantedOf(asked: readonly Access[], may: (wish: Wish) => boolean): Access[] {
  return asked.flatMap(({ type, name, actions }) => {
    const granted = type === "registry" ? registryActions(name, actions, may) : repositoryActions(name, actions, may);
    return granted.length > 0 ? [{ type, name, actions: granted }] : [];
  });
}

/** True where a token with this access may do that. */
export function grants(access: readonly Access[], { repository, action }: Wish): boolean {
  return access.some(({ type, name, actions }) => {
    if (repository === "") return type === "registry" && name === action && actions.some((a) => ALL.includes(a));
    return type === "repository" && name === repository && (actions.includes(action) || actions.includes("*"));
  });
}

/** The scope that a client has to ask for. Who pushes also looks what is there. */
export function scopeFor(wishes: readonly Wish[]): string {
  return wishes
    .map(({ repository, action }) =>
      repository === ""
        ? `registry:${action}:*`
        : `repository:${repository}:${action === "push" ? "pull,push" : action}`,
    )
    .join(" ");
}

/** The claim `access`, whatever a token has there; undefined where it is none. */
export function accessClaim(value: unknown): Access[] | undefined {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > MOST_ENTRIES) return undefined;
  const entries = value.map((entry: unknown) => {
    const { type, name, actions } = (entry ?? {}) as Record<string, unknown>;
    if (typeof type !== "string" || typeof name !== "string" || !Array.isArray(actions)) return undefined;
    return { type, name, actions: actions.filter((action) => typeof action === "string") };
  });
  return entries.every((entry) => entry !== undefined) ? entries : undefined;
}

function isRepository(name: string): boolean {
  try {
    return repositoryName(name) === name;
  } catch {
    return false;
  }
}

function repositoryActions(repository: string, actions: readonly string[], may: (wish: Wish) => boolean): string[] {
  const allowed = REPOSITORY_ACTIONS.filter((action) => may({ repository, action }));
  const all = allowed.length === REPOSITORY_ACTIONS.length;
  return actions.includes("*") ? (all ? ["*", ...allowed] : allowed) : allowed.filter((a) => actions.includes(a));
}

function registryActions(name: string, actions: readonly string[], may: (wish: Wish) => boolean): string[] {
  if ((name !== "catalog" && name !== "admin") || !may({ repository: "", action: name })) return [];
  return ALL.filter((action) => actions.includes(action));
}
