import { readFileSync } from "node:fs";
import { parseDuration } from "../../spec/duration.ts";
import { BerthError, messageOf } from "../../spec/errors.ts";
import { parseSize } from "../../spec/size.ts";
import { accessConfig } from "./access/check.ts";
import type { AccessConfig } from "./access/config.ts";
import type { ImmutableRule, QuotaRule } from "./policy.ts";
import type { RetentionRule } from "./retention.ts";
import type { UpstreamConfig } from "./through/upstream.ts";

/** How a registry runs. Times in milliseconds. */
export interface RegistryConfig {
  host: string;
  port: number;
  /** Folder of the storage, of generated keys and certificates. */
  root: string;
  /** An object store instead of the folder. */
  s3?: Record<string, unknown>;
  access: AccessConfig;
  tls?: { cert: string; key: string; clientCa?: string } | { generate: true; hosts: string[]; clientCa?: string };
  publicUrl?: string;
  gc: { everyMs: number; graceMs: number; uploadMs: number };
  immutable: ImmutableRule[];
  quotas: QuotaRule[];
  retention: RetentionRule[];
  upstreams: UpstreamConfig[];
}

/** What the command line gives; an empty text is a flag that was not given. */
export interface RegistryFlags {
  config: string;
  addr: string;
  root: string;
  htpasswd: string;
  tls: boolean;
  "tls-cert": string;
  "tls-key": string;
  "tls-client-ca": string;
  "public-url": string;
  proxy: string[];
  immutable: string[];
  quota: string[];
  "gc-every": string;
  "gc-grace": string;
  "upload-timeout": string;
}

const DEFAULT_ADDR = "127.0.0.1:5000";
const DEFAULT_ROOT = "/var/lib/berth/registry";
const KNOWN = [
  ...["addr", "root", "s3", "access", "tls", "publicUrl", "gc"],
  ...["immutable", "quotas", "retention", "upstreams"],
];

type Json = Record<string, unknown>;

/** The settings of a file (`--config`, JSON) and of flags, which win. Throws `invalid-argument` that names the file or flag and the key. */
export function registryConfig(flags: RegistryFlags): RegistryConfig {
  const file = flags.config === "" ? {} : readConfig(flags.config);
  const gc = part(file, "gc");
  const [host, port] = address(flags.addr || text(file, "addr") || DEFAULT_ADDR);
  const s3 = file["s3"] === undefined ? undefined : part(file, "s3");
  const access = accessOf(flags, file);
  const tls = tlsOf(flags, part(file, "tls"), host);
  const publicUrl = flags["public-url"] || text(file, "publicUrl");
  return {
    host,
    port,
    root: flags.root || text(file, "root") || DEFAULT_ROOT,
    ...(s3 ? { s3 } : {}),
    access: { ...access, ...(publicUrl ? { publicUrl } : {}) },
    ...(tls ? { tls } : {}),
    ...(publicUrl ? { publicUrl } : {}),
    gc: {
      everyMs: duration("gc.every", flags["gc-every"] || text(gc, "every") || "1h"),
      graceMs: duration("gc.grace", flags["gc-grace"] || text(gc, "grace") || "1h"),
      uploadMs: duration("gc.uploads", flags["upload-timeout"] || text(gc, "uploads") || "24h"),
    },
    immutable: [
      ...flags.immutable.map(immutableFlag),
      ...list(file, "immutable").map((r) => ({
        repository: text(r, "repository") || "**",
        tags: text(r, "tags") || "*",
      })),
    ],
    quotas: [
      ...flags.quota.map(quotaFlag),
      ...list(file, "quotas").map((r) => ({
        repository: text(r, "repository") || "**",
        bytes: size("quotas.bytes", r["bytes"]),
      })),
    ],
    retention: list(file, "retention").map(retentionRule),
    upstreams: [...flags.proxy.map(proxyFlag), ...list(file, "upstreams").map(upstream)],
  };
}

function readConfig(path: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw invalid(`${path}: ${messageOf(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(`${path}: no JSON object`);
  const unknown = Object.keys(value).find((key) => !KNOWN.includes(key));
  if (unknown !== undefined) throw invalid(`${path}: unknown key "${unknown}"`, `known are ${KNOWN.join(", ")}`);
  return value as Json;
}

function accessOf(flags: RegistryFlags, file: Json): AccessConfig {
  return accessConfig({ ...part(file, "access"), ...(flags.htpasswd === "" ? {} : { htpasswd: flags.htpasswd }) });
}

function tlsOf(flags: RegistryFlags, file: Json, host: string): RegistryConfig["tls"] {
  const cert = flags["tls-cert"] || text(file, "cert");
  const key = flags["tls-key"] || text(file, "key");
  const clientCa = flags["tls-client-ca"] || text(file, "clientCa");
  if ((cert === "") !== (key === "")) throw invalid("tls: a certificate needs its key, and a key its certificate");
  if (cert !== "") return { cert, key, ...(clientCa ? { clientCa } : {}) };
  if (!flags.tls && file["generate"] !== true) {
    if (clientCa !== "")
      throw invalid("tls: certificates of clients need TLS", "use --tls, or --tls-cert and --tls-key");
    return undefined;
  }
  const hosts = Array.isArray(file["hosts"]) ? file["hosts"].map(String) : [];
  return {
    generate: true,
    ...(clientCa ? { clientCa } : {}),
    hosts: hosts.length > 0 ? hosts : ["localhost", "127.0.0.1", ...(isAny(host) ? [] : [host])],
  };
}

function isAny(host: string): boolean {
  return host === "0.0.0.0" || host === "::" || host === "127.0.0.1";
}

function address(value: string): [string, number] {
  const [, bracketed, name, port] = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(value) ?? [];
  const number = Number(port ?? Number.NaN);
  if (!Number.isInteger(number) || number > 65535) throw invalid(`addr "${value}" is no HOST:PORT`);
  return [bracketed || name || "0.0.0.0", number];
}

/** `REPOSITORY[:TAG]`, both patterns. */
function immutableFlag(value: string): ImmutableRule {
  const [repository = "", tags = "*"] = value.split(":");
  if (repository === "") throw invalid(`--immutable "${value}" names no repository`, "for all use '**'");
  return { repository, tags };
}

/** `SIZE` or `REPOSITORY=SIZE`. */
function quotaFlag(value: string): QuotaRule {
  const at = value.lastIndexOf("=");
  return { repository: at < 0 ? "**" : value.slice(0, at), bytes: size("--quota", value.slice(at + 1)) };
}

/** `PREFIX=URL`. */
function proxyFlag(value: string): UpstreamConfig {
  const at = value.indexOf("=");
  if (at < 0) throw invalid(`--proxy "${value}" is no PREFIX=REGISTRY`, "for example 'hub=docker.io'");
  return upstream({ prefix: value.slice(0, at), registry: value.slice(at + 1) });
}

function upstream(value: Json): UpstreamConfig {
  const registry = text(value, "registry")
    .replace(/^https?:\/\//, "")
    .replace(/\/$/, "");
  if (!/^[a-zA-Z0-9.-]+(?::\d+)?(?:\/[a-z0-9._/-]+)?$/.test(registry)) {
    throw invalid(`upstream "${text(value, "registry").slice(0, 100)}" is no registry`, "HOST[:PORT][/PREFIX]");
  }
  const passwordFile = text(value, "passwordFile");
  return {
    prefix: text(value, "prefix").replace(/^\/|\/$/g, ""),
    registry,
    ...(text(value, "username") ? { username: text(value, "username") } : {}),
    ...(passwordFile ? { password: readFileSync(passwordFile, "utf8").trim() } : {}),
    insecure: value["insecure"] === true,
    freshMs: duration("upstreams.fresh", text(value, "fresh") || "1m"),
    ...(text(value, "keep") ? { keepMs: duration("upstreams.keep", text(value, "keep")) } : {}),
  };
}

function retentionRule(value: Json): RetentionRule {
  const { keepLast } = value;
  if (keepLast !== undefined && !(Number.isInteger(keepLast) && (keepLast as number) >= 0))
    throw invalid("retention.keepLast is no count");
  return {
    repository: text(value, "repository") || "**",
    ...(text(value, "tags") ? { tags: text(value, "tags") } : {}),
    ...(typeof keepLast === "number" ? { keepLast } : {}),
    ...(text(value, "olderThan") ? { olderThanMs: duration("retention.olderThan", text(value, "olderThan")) } : {}),
    ...(text(value, "untagged") ? { untaggedMs: duration("retention.untagged", text(value, "untagged")) } : {}),
  };
}

/** `36h`, and days as `30d`. */
function duration(what: string, value: string): number {
  const days = /^(\d+)d$/.exec(value);
  if (days) return Number(days[1]) * 86_400_000;
  const nanos = parseDuration(value);
  if (typeof nanos === "string" || nanos < 0)
    throw invalid(`${what} "${value}" is no duration`, "for example 90s, 36h or 30d");
  return nanos / 1e6;
}

function size(what: string, value: unknown): number {
  const bytes = typeof value === "number" ? value : parseSize(String(value));
  if (!(bytes >= 0)) throw invalid(`${what} "${String(value)}" is no size`, "for example 500m or 20g");
  return bytes;
}

function part(from: Json, key: string): Json {
  const value = from[key] ?? {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(`${key} is no object`);
  return value as Json;
}

function list(from: Json, key: string): Json[] {
  const value = from[key] ?? [];
  if (!Array.isArray(value)) throw invalid(`${key} is no list`);
  return value.map((item, i) => part({ [`${key}[${i}]`]: item }, `${key}[${i}]`));
}

function text(from: Json, key: string): string {
  const value = from[key];
  if (value === undefined) return "";
  if (typeof value !== "string") throw invalid(`${key} is no text`);
  return value;
}

function invalid(why: string, hint?: string): BerthError {
  return new BerthError("invalid-argument", `registry: ${why}`, hint ? { hint } : {});
}
