import type { FlagTable } from "./flags.ts";

/** Flags of the program itself, before the command. */
export const GLOBAL_FLAGS = {
  config: { kind: "string", help: "Folder of the client's configuration (~/.docker)" },
  context: { kind: "string", short: "c", help: "Context to use, above DOCKER_HOST and 'context use'" },
  debug: { kind: "bool", short: "D", help: "Show where an unexpected error came from" },
  host: { kind: "list", short: "H", help: "Engine to talk to: unix://, tcp:// or ssh://" },
  "log-level": { kind: "string", short: "l", help: "Taken for compatibility", hidden: true, fallback: "info" },
  tls: { kind: "bool", help: "Use TLS; implied by --tlsverify" },
  tlscacert: { kind: "string", help: "Trust only certificates of this CA" },
  tlscert: { kind: "string", help: "The client's certificate" },
  tlskey: { kind: "string", help: "The client's key" },
  tlsverify: { kind: "bool", help: "Use TLS and verify the engine" },
  version: { kind: "bool", short: "v", help: "Print the version and quit" },
} as const satisfies FlagTable;
