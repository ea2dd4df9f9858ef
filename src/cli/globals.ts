import { BerthError } from "../spec/errors.ts";
import { parseFlags } from "./flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

/** What stands before the command. */
export interface Globals {
  /** The host that somebody asked for; undefined: the context's. */
  host: string | undefined;
  /** `--context`, or empty. */
  context: string;
  /** `--config`, or empty. */
  config: string;
  tls: { on: boolean; verify: boolean | undefined; ca: string; cert: string; key: string };
  debug: boolean;
  version: boolean;
  help: "long" | "short" | false;
  /** The command and everything behind it. */
  rest: string[];
  /** What stood before the command, for plugins. */
  before: string[];
}

const LEVELS = ["panic", "fatal", "error", "warn", "warning", "info", "debug", "trace"];

/** Reads the flags before the command, then BERTH_HOST, then DOCKER_HOST. Throws `invalid-argument` on unknown flags. */
export function parseGlobals(argv: readonly string[], env: NodeJS.ProcessEnv): Globals {
  const { flags, given, args, help } = parseFlags(GLOBAL_FLAGS, argv, { interspersed: false });
  if (flags.host.length > 1) throw new BerthError("invalid-argument", "specify only one -H");
  const { context } = flags;
  return {
    host: flags.host[0] || (context === "" ? env["BERTH_HOST"] || env["DOCKER_HOST"] || undefined : undefined),
    context,
    config: flags.config,
    tls: {
      on: flags.tls,
      verify: given.has("tlsverify") ? flags.tlsverify : undefined,
      ca: flags.tlscacert,
      cert: flags.tlscert,
      key: flags.tlskey,
    },
    debug: flags.debug,
    version: flags.version,
    help,
    rest: args,
    before: argv.slice(0, argv.length - args.length).filter((word) => word !== "--"),
  };
}

/** What docker refuses before any command: both ways to name an engine, an unknown level. Undefined: nothing. */
export function conflictIn(globals: Globals): string | undefined {
  const { flags } = parseFlags(GLOBAL_FLAGS, globals.before, { interspersed: false });
  if (!LEVELS.includes(flags["log-level"].toLowerCase())) return `Unable to parse logging level: ${flags["log-level"]}`;
  if (globals.host !== undefined && globals.context !== "") {
    return "conflicting options: cannot specify both --host and --context";
  }
  return undefined;
}
