import { isIP } from "node:net";
import { checkLog } from "../engine/logging/drivers.ts";
import { PUBLISH_POLICIES } from "../network/publish-policy.ts";
import { ULIMIT_NAMES } from "../runtime/limits.ts";
import type { HostConfig } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import type { DaemonConfig } from "./config.ts";

/** The daemon's settings by the name of their flag, as flags and daemon.json give them: text or lists from the former, any JSON from the latter. */
export type Settings = Record<string, unknown>;

const LEAST_MTU = 68;
const MOST_MTU = 65535;

const wrong = (what: string, hint?: string): BerthError =>
  new BerthError("invalid-argument", `daemon configuration: ${what}`, hint === undefined ? {} : { hint });

/** A text; undefined where nothing is set. This and all that follow throw `invalid-argument`, naming the setting. */
export function text(s: Settings, key: string): string | undefined {
  const value = s[key];
  if (value === undefined || typeof value === "string") return value;
  throw wrong(`${key} wants a string`);
}

/** A switch; off where nothing is set. */
export function flag(s: Settings, key: string): boolean {
  const value = s[key] ?? false;
  if (typeof value === "boolean") return value;
  throw wrong(`${key} wants true or false, got ${JSON.stringify(value)}`);
}

/** A list of texts; empty where nothing is set. */
export function list(s: Settings, key: string): string[] {
  const value = s[key] ?? [];
  if (Array.isArray(value) && value.every((v): v is string => typeof v === "string")) return value;
  throw wrong(`${key} wants a list of strings`);
}

/** A list of `key=value`. */
export function attributes(s: Settings, key: string): string[] {
  const found = list(s, key);
  const odd = found.find((entry) => !/^[^=]+=/.test(entry));
  if (odd !== undefined) throw wrong(`${key}: bad attribute format: ${odd}`, "want key=value");
  return found;
}

/** A list of IP addresses. */
export function addresses(s: Settings, key: string): string[] {
  const found = list(s, key);
  const odd = found.find((entry) => isIP(entry) === 0);
  if (odd !== undefined) throw wrong(`${key}: ${odd} is not an ip address`);
  return found;
}

/** An MTU; 0 and undefined: whatever fits. */
export function bytes(s: Settings, key: string): number | undefined {
  const value = s[key];
  if (value === undefined || value === 0) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= LEAST_MTU && value <= MOST_MTU) return value;
  throw wrong(`${key} wants a whole number from ${LEAST_MTU} to ${MOST_MTU}, got ${JSON.stringify(value)}`);
}

/** `["a=b"]` from flags, `{"a":"b"}` from the file. */
function pairs(value: unknown, key: string): Record<string, string> {
  if (value === undefined) return {};
  if (Array.isArray(value)) {
    return Object.fromEntries(value.map((p: string) => [p.split("=")[0] ?? "", p.slice(p.indexOf("=") + 1)]));
  }
  if (isObject(value) && Object.values(value).every((v) => typeof v === "string"))
    return value as Record<string, string>;
  throw wrong(`${key} wants an object of strings`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The default log driver and its options: those that a container may name. */
export function logging(s: Settings): { logDriver: string; logOpts: Record<string, string> } {
  const logDriver = text(s, "logDriver") ?? "json-file";
  const logOpts = pairs(s["logOpt"], "logOpt");
  type Driver = NonNullable<NonNullable<HostConfig["LogConfig"]>["Type"]>;
  checkLog({ LogConfig: { Type: logDriver as Driver, Config: logOpts } });
  return { logDriver, logOpts };
}

/** OCI runtimes by name. */
export function runtimesOf(value: unknown): DaemonConfig["runtimes"] {
  if (Array.isArray(value))
    return Object.fromEntries(Object.entries(pairs(value, "addRuntime")).map(([name, path]) => [name, { path }]));
  if (value === undefined) return {};
  const fits = isObject(value) && Object.values(value).every((v) => isObject(v) && typeof v["path"] === "string");
  if (!fits) throw wrong('runtimes wants an object like {"name": {"path": "/usr/bin/crun"}}');
  return value as DaemonConfig["runtimes"];
}

/** Ulimits by name: `["nofile=1:2"]` from flags, dockerd's objects from the file. */
export function ulimitsOf(value: unknown): DaemonConfig["defaultUlimits"] {
  if (value === undefined) return {};
  const given: Record<string, unknown> = isObject(value) ? value : pairs(value, "defaultUlimit");
  return Object.fromEntries(Object.entries(given).map(([name, range]) => [name, ulimit(name, range)]));
}

function ulimit(name: string, range: unknown): { Name: string; Soft: number; Hard: number } {
  if (!ULIMIT_NAMES.has(name)) throw wrong(`default-ulimits: invalid ulimit type: ${name}`);
  const [soft, hard = soft] = isObject(range)
    ? [range["Soft"], range["Hard"]]
    : String(range)
        .split(":")
        .map((part) => (/^(-1|\d+)$/.test(part) ? Number(part) : undefined));
  if (!Number.isInteger(soft) || !Number.isInteger(hard) || (typeof range === "string" && /:.*:/.test(range)))
    throw wrong(`default-ulimits: invalid ulimit of ${name}: ${JSON.stringify(range)}`, "want SOFT[:HARD]");
  if (Number(hard) >= 0 && (Number(soft) > Number(hard) || Number(soft) < 0))
    throw wrong(
      `default-ulimits: ${name}: ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`,
    );
  return { Name: name, Soft: Number(soft), Hard: Number(hard) };
}

/** `["base=10.0.0.0/16,size=24"]` from flags, `[{"base": "10.0.0.0/16", "size": 24}]` from the file. */
export function addressPools(s: Settings): DaemonConfig["addressPools"] {
  const given = s["defaultAddressPool"];
  if (given === undefined) return [];
  const wanted = wrong('default-address-pools wants a list like [{"base": "10.0.0.0/16", "size": 24}]');
  if (!Array.isArray(given)) throw wanted;
  return given.map((pool: unknown) => {
    const fields = typeof pool === "string" ? Object.fromEntries(pool.split(",").map((p) => p.split("=", 2))) : pool;
    if (!isObject(fields) || typeof fields["base"] !== "string" || !/^\d+$/.test(String(fields["size"]))) throw wanted;
    return { base: fields["base"], size: Number(fields["size"]) };
  });
}

/** `publish-policy`, and `publish-default`, which is `ip` in Docker's words: one of the two names. */
export function publishing(s: Settings): DaemonConfig["publish"] {
  const given = text(s, "publishPolicy") ?? "any";
  const policy = PUBLISH_POLICIES.find((p) => p === given);
  if (!policy) throw wrong(`unknown publish-policy: ${given}`, `one of ${PUBLISH_POLICIES.join(", ")}`);
  const address = text(s, "publishDefault") ?? text(s, "ip");
  if (address === undefined) return { policy };
  if (isIP(address) === 0) throw wrong(`publish-default: ${address} is not an ip address`);
  // All addresses are no restriction, of either family.
  return address === "0.0.0.0" || address === "::" ? { policy: "any" } : { policy, address };
}
