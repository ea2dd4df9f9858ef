import { BerthError } from "../spec/errors.ts";
import { parseFlags } from "./flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

/** What stands before the command. */
export interface Globals {
  /** The host that somebody asked for; undefined: the default one, where a daemon may be started. */
  host: string | undefined;
  debug: boolean;
  version: boolean;
  help: "long" | "short" | false;
  /** The command and everything behind it. */
  rest: string[];
}

/** Reads the flags before the command, then BERTH_HOST, then DOCKER_HOST. Throws `invalid-argument` on unknown flags. */
export function parseGlobals(argv: readonly string[], env: NodeJS.ProcessEnv): Globals {
  const { flags, args, help } = parseFlags(GLOBAL_FLAGS, argv, { interspersed: false });
  if (flags.host.length > 1) throw new BerthError("invalid-argument", "specify only one -H");
  return {
    host: flags.host[0] || env["BERTH_HOST"] || env["DOCKER_HOST"] || undefined,
    debug: flags.debug,
    version: flags.version,
    help,
    rest: args,
  };
}
