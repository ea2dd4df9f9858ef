import type { ContainerRecord } from "../record.ts";
import { logTag } from "./tag.ts";

/** The labels and environment variables that `labels`, `labels-regex`, `env` and `env-regex` ask for, under the names that `rename` gives them. */
export function extraAttributes(
  record: ContainerRecord,
  options: Record<string, string>,
  rename: (name: string) => string = (name) => name,
): Record<string, string> {
  const labels = record.config.Labels ?? {};
  const env = Object.fromEntries(
    (record.config.Env ?? []).map((entry) => {
      const at = entry.indexOf("=");
      return at < 0 ? [entry, ""] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
  const found = { ...chosen(labels, options, "labels"), ...chosen(env, options, "env") };
  return Object.fromEntries(Object.entries(found).map(([name, value]) => [rename(name), value]));
}

/** What each entry of a json-file log carries. A tag is there only where one was asked for. */
export function fileAttributes(record: ContainerRecord, options: Record<string, string>): Record<string, string> {
  const tag = logTag(record, options["tag"] ?? "");
  return { ...extraAttributes(record, options), ...(tag ? { tag } : {}) };
}

function chosen(all: Record<string, string>, options: Record<string, string>, key: string): Record<string, string> {
  const names = new Set((options[key] ?? "").split(","));
  const pattern = options[`${key}-regex`];
  const regex = pattern ? new RegExp(pattern) : undefined;
  return Object.fromEntries(Object.entries(all).filter(([name]) => names.has(name) || regex?.test(name)));
}
