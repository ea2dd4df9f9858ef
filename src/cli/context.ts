import type { EngineClient } from "../client/client.ts";
import type { CliIo } from "./io.ts";

/** Everything a command works with. */
export interface Context {
  /** The command as it was called, for messages: `berth run`. */
  name: string;
  engine: EngineClient;
  io: CliIo;
  env: NodeJS.ProcessEnv;
  /** Version of this program. */
  version: string;
}

/** What the program that contains the CLI gives it. */
export interface CliOptions {
  /** Starts a daemon on the default socket and resolves when it answers. Only called where nobody named another host. */
  startDaemon?: () => Promise<void>;
  /** Shown by `--version` and `version`. */
  version?: string;
  io?: CliIo;
  env?: NodeJS.ProcessEnv;
}

/** A full line to standard output. */
export function printLine(ctx: Context, text: string): void {
  ctx.io.out(`${text}\n`);
}
