import type { ProgressLine } from "../client/images.ts";
import { BerthError } from "../spec/errors.ts";
import type { Context } from "./context.ts";
import { humanSize } from "./format/units.ts";
import { Rates } from "./rates.ts";

/** Where progress goes, and what becomes of the engine's last words. */
export interface ProgressOptions {
  /** `err` for what must not mix with a command's own output. */
  to?: "out" | "err";
  /** Gets each `aux` object, such as the id of a built image. */
  onAux?: (aux: { ID?: string }) => void;
  /** Gets the plain text of the stream, printed or not. */
  onText?: (text: string) => void;
  /** Print nothing but errors. */
  quiet?: boolean;
  /** The clock that rates are measured by, in milliseconds. */
  now?: () => number;
}

/**
 * Prints a progress stream: on a terminal each layer keeps its own line, with rate and time left where there is room, elsewhere each change of state is a plain line.
 * Throws the engine's error where the stream ends with one.
 */
export async function showProgress(
  ctx: Context,
  lines: AsyncIterable<ProgressLine>,
  options: ProgressOptions = {},
): Promise<void> {
  const toErr = options.to === "err";
  const write = (text: string): void => (toErr ? ctx.io.err(text) : ctx.io.out(text));
  const terminal = toErr ? ctx.io.stderrIsTerminal() : ctx.io.stdoutIsTerminal();
  const columns = (): number | undefined => (toErr ? ctx.io.stderr() : ctx.io.stdout()).columns;
  const rows = new Rows({ write, columns, rates: new Rates(options.now) });
  const said = new Map<string, string>();
  for await (const line of lines) {
    if (line.error !== undefined || line.errorDetail) {
      const code = line.errorDetail?.code;
      const text = line.errorDetail?.message ?? line.error ?? "unknown error";
      throw Object.assign(new BerthError("internal", text.trim()), code === undefined ? {} : { buildCode: code });
    }
    if (line.aux) options.onAux?.(line.aux);
    if (line.stream !== undefined) options.onText?.(line.stream);
    if (options.quiet) continue;
    if (line.stream !== undefined) write(line.stream);
    else if (line.status !== undefined && line.id && terminal) rows.draw(line);
    else if (line.status !== undefined && changed(said, line))
      write(`${line.id ? `${line.id}: ` : ""}${line.status}\n`);
  }
}

/** Off a terminal only changes of state are worth a line, not each of a thousand steps. */
function changed(said: Map<string, string>, line: ProgressLine): boolean {
  if (!line.id) return true;
  if (line.progressDetail?.current !== undefined || said.get(line.id) === line.status) return false;
  said.set(line.id, line.status ?? "");
  return true;
}

/** One line for each layer, drawn again in its place. */
class Rows {
  readonly #ids: string[] = [];

  constructor(
    private readonly to: { write: (text: string) => void; columns: () => number | undefined; rates: Rates },
  ) {}

  draw(line: ProgressLine): void {
    const id = line.id ?? "";
    const { write, columns, rates } = this.to;
    const whole = `${id}: ${line.status ?? ""} ${line.progress ?? bar(line)}`.trimEnd();
    // A line that wraps would count as two.
    const room = (columns() || MAX_COLUMNS) - 1;
    const rate = rates.of(line);
    const text = rate && whole.length + 1 + rate.length <= room ? `${whole} ${rate}` : whole.slice(0, room);
    const known = this.#ids.indexOf(id);
    if (known < 0) {
      this.#ids.push(id);
      write(`${text}\n`);
      return;
    }
    const up = this.#ids.length - known;
    write(`\x1b[${up}A\x1b[2K\r${text}\r\x1b[${up}B`);
  }
}

const MAX_COLUMNS = 200;
const BAR_WIDTH = 30;

function bar(line: ProgressLine): string {
  const { current, total } = line.progressDetail ?? {};
  if (current === undefined) return "";
  if (!total) return humanSize(current);
  const full = Math.min(BAR_WIDTH, Math.round((BAR_WIDTH * current) / total));
  return `[${"=".repeat(full)}${" ".repeat(BAR_WIDTH - full)}] ${humanSize(current)}/${humanSize(total)}`;
}
