import type { Filters } from "../../client/containers.ts";
import { BerthError } from "../../spec/errors.ts";
import type { Context } from "../context.ts";
import { csvFields } from "../csv.ts";
import type { ConfigFile } from "./config-file.ts";

// What a person prefers, by docker's config.json. A value of another type than docker has there counts as absent.

/** Lists whose format may be configured. */
export type ListKey =
  | "psFormat"
  | "imagesFormat"
  | "volumesFormat"
  | "networksFormat"
  | "pluginsFormat"
  | "statsFormat";

/** What `--format` says, else what is configured, unless `-q` asks for names alone. */
export function formatOr(ctx: Context, key: ListKey, flags: { format: string; quiet?: boolean }): string {
  if (flags.format !== "" || flags.quiet === true) return flags.format;
  return textOf(ctx.config.file, key);
}

/** What `--detach-keys` says, else what is configured; empty: the engine's own. */
export function detachKeysOr(ctx: Context, flag: string): string {
  return flag || textOf(ctx.config.file, "detachKeys");
}

/** Filters that every prune has besides its own. Those of the command line win where the two contradict each other. */
export function pruneFilters(ctx: Context, given: Filters): Filters {
  const filters: Filters = Object.fromEntries(Object.entries(given).map(([key, values]) => [key, [...values]]));
  const configured: unknown = ctx.config.file["pruneFilters"];
  for (const text of Array.isArray(configured) ? configured : []) {
    const [, key = "", value = ""] = /^([^=]*)=(.*)$/s.exec(String(text)) ?? [];
    const opposite = key === "label" ? "label!" : key === "label!" ? "label" : "";
    if (key === "" || given[opposite]?.includes(value)) continue;
    (filters[key] ??= []).push(value);
  }
  return filters;
}

const PROXIES = {
  httpProxy: "HTTP_PROXY",
  httpsProxy: "HTTPS_PROXY",
  noProxy: "NO_PROXY",
  ftpProxy: "FTP_PROXY",
  allProxy: "ALL_PROXY",
} as const;

/** Variables that containers and builds on `host` get, in both spellings: those of `proxies` that are not given already. */
export function proxyVariables(file: ConfigFile, host: string, given: (name: string) => boolean): [string, string][] {
  const all = mapOf(file["proxies"]);
  const wanted = mapOf(all[host] ?? all["default"]);
  return Object.entries(PROXIES).flatMap(([key, name]) => {
    const value = wanted[key];
    if (typeof value !== "string" || value === "") return [];
    return [name, name.toLowerCase()].filter((n) => !given(n)).map((n): [string, string] => [n, value]);
  });
}

/** Headers of every request: DOCKER_CUSTOM_HEADERS (`name=value,…`) instead of `HttpHeaders`. Names in lower case. Throws on what is no header. */
export function customHeaders(file: ConfigFile, env: NodeJS.ProcessEnv): Record<string, string> {
  const given = env[ENV_HEADERS] ?? "";
  const headers = given === "" ? Object.entries(mapOf(file["HttpHeaders"])) : headersOf(given);
  return Object.fromEntries(
    headers.map(([name, value]) => {
      if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || typeof value !== "string" || /[^\t\x20-\x7e\x80-\xff]/.test(value)) {
        throw new BerthError("invalid-argument", `header ${JSON.stringify(name)} of the configuration cannot be sent`);
      }
      return [name.toLowerCase(), value];
    }),
  );
}

function textOf(file: ConfigFile, key: string): string {
  const value = file[key];
  return typeof value === "string" ? value : "";
}

function mapOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

const ENV_HEADERS = "DOCKER_CUSTOM_HEADERS";

function headersOf(text: string): [string, string][] {
  const wrong = (why: string): BerthError => new BerthError("invalid-argument", `invalid ${ENV_HEADERS}: ${why}`);
  return csvFields(text, (why) => wrong(`value must be comma-separated key=value pairs: ${why}`)).map((field) => {
    const equals = field.indexOf("=");
    const name = field.slice(0, Math.max(equals, 0)).trim();
    if (equals < 0) throw wrong(`"${field}" has no value: want key=value`);
    if (name === "") throw wrong(`"${field}" has no key: want key=value`);
    return [name, field.slice(equals + 1)];
  });
}
