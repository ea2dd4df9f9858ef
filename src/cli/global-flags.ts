import type { FlagTable } from "./flags.ts";

/** Flags of the program itself, before the command. */
export const GLOBAL_FLAGS = {
  debug: { kind: "bool", short: "D", help: "Show where an unexpected error came from" },
  host: { kind: "list", short: "H", help: "Engine to talk to, unix:///path or tcp://host:port" },
  "log-level": { kind: "string", short: "l", help: "Taken for compatibility", hidden: true },
  config: { kind: "string", help: "Taken for compatibility", hidden: true },
  version: { kind: "bool", short: "v", help: "Print the version and quit" },
} as const satisfies FlagTable;
