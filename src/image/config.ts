import { type Digest, isDigest } from "../spec/digest.ts";
import { BerthError, messageOf } from "../spec/errors.ts";
import type { History, ImageConfigFile, ImageRunConfig } from "../spec/oci.ts";
import { hostPlatform } from "../spec/platform.ts";

/** An image's config as it lies in the store, with the fields that only Docker writes. */
export interface StoredConfig extends ImageConfigFile {
  comment?: string;
  docker_version?: string;
}

/** The largest config or manifest that is read, in bytes. */
export const MAX_JSON = 4 * 1024 * 1024;

/** Checks a value and returns it typed; throws `invalid-argument` with the path to what is wrong. */
export type Check<T> = (value: unknown, at: string) => T;

/** Parses JSON; throws `invalid-argument` that names `what`. */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new BerthError("invalid-argument", `${what}: not valid JSON: ${messageOf(cause)}`, { cause });
  }
}

/** A string. */
export const text: Check<string> = (value, at) => (typeof value === "string" ? value : wrong(at, "a string"));
/** A finite number. */
export const count: Check<number> = (value, at) =>
  typeof value === "number" && Number.isFinite(value) ? value : wrong(at, "a number");
/** A sha256 digest, the one kind that is supported. */
export const digest: Check<Digest> = (value, at) =>
  typeof value === "string" && isDigest(value)
    ? value
    : wrong(at, /^sha(384|512):/.test(String(value)) ? "a sha256 digest; others are not supported" : "a sha256 digest");
const flag: Check<boolean> = (value, at) => (typeof value === "boolean" ? value : wrong(at, "true or false"));

/** An array of that. */
export function list<T>(item: Check<T>): Check<T[]> {
  return (value, at) => (Array.isArray(value) ? value.map((v, i) => item(v, `${at}[${i}]`)) : wrong(at, "an array"));
}

/** An object used as a map. */
export function mapOf<T>(item: Check<T>): Check<Record<string, T>> {
  return (value, at) =>
    Object.fromEntries(Object.entries(asObject(value, at)).map(([k, v]) => [k, item(v, `${at}.${k}`)]));
}

/** An object with these fields; others are dropped. `null` and absence are the same, and allowed except for `required`. */
export function object<T extends object>(
  fields: { [K in keyof T]-?: Check<NonNullable<T[K]>> },
  required: (keyof T & string)[] = [],
): Check<T> {
  return (value, at) => {
    const given = asObject(value, at);
    const out: Partial<T> = {};
    for (const key of Object.keys(fields) as (keyof T & string)[]) {
      const field = given[key];
      if (field !== undefined && field !== null) out[key] = fields[key](field, `${at}.${key}`);
      else if (required.includes(key)) wrong(`${at}.${key}`, "set");
    }
    return out as T; // Every field was checked, and the required ones are there.
  };
}

const unit: Check<object> = () => ({});

const runConfig = object<ImageRunConfig>({
  User: text,
  ExposedPorts: mapOf(unit),
  Env: list(text),
  Entrypoint: list(text),
  Cmd: list(text),
  Volumes: mapOf(unit),
  WorkingDir: text,
  Labels: mapOf(text),
  StopSignal: text,
  ArgsEscaped: flag,
  Healthcheck: object({
    Test: list(text),
    Interval: count,
    Timeout: count,
    StartPeriod: count,
    StartInterval: count,
    Retries: count,
  }),
  Shell: list(text),
  OnBuild: list(text),
});

const history = object<History>({ created: text, created_by: text, author: text, comment: text, empty_layer: flag });

const rootfs = object<ImageConfigFile["rootfs"]>(
  {
    type: (value, at) => (value === "layers" ? value : wrong(at, '"layers"')),
    diff_ids: list(digest),
  },
  ["diff_ids"],
);

type RawConfig = Omit<StoredConfig, "architecture" | "os"> & { architecture?: string; os?: string };

const configFile = object<RawConfig>(
  {
    created: text,
    author: text,
    architecture: text,
    os: text,
    variant: text,
    config: runConfig,
    rootfs,
    history: list(history),
    comment: text,
    docker_version: text,
  },
  ["rootfs"],
);

/**
 * An image config (OCI image-spec, config.md) from untrusted bytes: every field has its type afterwards, what is unknown is dropped. A missing
 * platform is the host's, as in Docker. Throws `invalid-argument` that names `what` and the field.
 */
export function parseConfig(bytes: Uint8Array, what: string): StoredConfig {
  const raw = configFile(parseJson(bytes, what), what);
  const host = hostPlatform();
  return { ...raw, architecture: raw.architecture || host.architecture, os: raw.os || host.os };
}

function asObject(value: unknown, at: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  return wrong(at, "an object");
}

function wrong(at: string, want: string): never {
  throw new BerthError("invalid-argument", `${at}: must be ${want}`);
}
