import type { Context } from "../context.ts";
import { humanSize } from "../format/units.ts";

const EVERY_MS = 100;
const CLEAR_LINE = "\r\x1b[2K";

/** Counts what passes, and shows it on a terminal. */
export interface CopyProgress {
  count(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array>;
  /** The copy has ended well. */
  done(where: string): void;
}

/** Docker's progress of a copy: on a terminal only, on standard error, with the archive's bytes. */
export function copyProgress(ctx: Context, options: { quiet: boolean | undefined; header: string }): CopyProgress {
  const quiet = options.quiet ?? !ctx.io.stdoutIsTerminal();
  let bytes = 0;
  let shown = false;
  const show = (): void => {
    shown = true;
    ctx.io.err(`${CLEAR_LINE}${options.header} - ${size(bytes)}`);
  };
  const clear = (): void => {
    if (shown) ctx.io.err(CLEAR_LINE);
    shown = false;
  };
  return {
    async *count(tar) {
      const timer = quiet ? undefined : setInterval(show, EVERY_MS);
      try {
        for await (const chunk of tar) {
          bytes += chunk.length;
          yield chunk;
        }
      } finally {
        clearInterval(timer);
        clear();
      }
    },
    done(where) {
      if (!quiet) ctx.io.err(`Successfully copied ${size(bytes)} to ${where}\n`);
    },
  };
}

function size(bytes: number): string {
  return bytes < 1000 ? `${bytes}B` : humanSize(bytes, 3);
}
