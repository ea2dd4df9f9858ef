import type { Context, RegistryOutput } from "../context.ts";
import type { FlagTable, FlagValues } from "../flags.ts";

/** Flags of `registry serve`; the other registry commands take those that say where and what it keeps. */
export const REGISTRY_FLAGS = {
  addr: { kind: "string", help: "Listen at this address (default 127.0.0.1:5000)", type: "host:port" },
  config: { kind: "string", help: "Read settings from this JSON file" },
  "gc-every": { kind: "string", help: "Collect garbage so often (default 1h, 0 for never)", type: "duration" },
  "gc-grace": { kind: "string", help: "Keep what is younger, needed or not (default 1h)", type: "duration" },
  htpasswd: { kind: "string", help: "Let in the users of this file (bcrypt)" },
  immutable: { kind: "list", help: "Tags that keep their meaning, as patterns", type: "repository[:tag]" },
  proxy: { kind: "list", help: "Be a cache of another registry below a prefix", type: "prefix=registry" },
  "public-url": { kind: "string", help: "The URL that clients use, behind a proxy" },
  quota: { kind: "list", help: "The most bytes of a repository", type: "[repository=]size" },
  root: { kind: "string", help: "Keep everything in this folder (default /var/lib/berth/registry)" },
  tls: { kind: "bool", help: "Use TLS with a certificate made here" },
  "tls-cert": { kind: "string", help: "Use TLS with this certificate" },
  "tls-client-ca": { kind: "string", help: "Let in only clients with a certificate of this authority" },
  "tls-key": { kind: "string", help: "Key of the certificate" },
  "upload-timeout": { kind: "string", help: "End uploads that rest for so long (default 24h)", type: "duration" },
} as const satisfies FlagTable;

/** Those flags, read. */
export type RegistryFlagValues = FlagValues<typeof REGISTRY_FLAGS>;

/** The values where none is given, with these. */
export function registryFlags(given: Partial<RegistryFlagValues>): RegistryFlagValues {
  const none: RegistryFlagValues = {
    addr: "",
    config: "",
    "gc-every": "",
    "gc-grace": "",
    htpasswd: "",
    immutable: [],
    proxy: [],
    "public-url": "",
    quota: [],
    root: "",
    tls: false,
    "tls-cert": "",
    "tls-client-ca": "",
    "tls-key": "",
    "upload-timeout": "",
  };
  return { ...none, ...given };
}

/** Results to standard output, all else to standard error. */
export function registryOutput(ctx: Context): RegistryOutput {
  return { out: (line) => ctx.io.out(`${line}\n`), log: (line) => ctx.io.err(`${line}\n`) };
}
