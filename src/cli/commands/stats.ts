import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { ExitError } from "../exit.ts";
import { printListing } from "../format/listing.ts";
import { type StatsLine, statsLine, statsListing } from "../format/stats.ts";
import { formatOr } from "../hosts/preferences.ts";

const REDRAW_MS = 500;

/** `berth stats`: once, or redrawn twice a second until it is interrupted. */
export default command({
  usage: "[OPTIONS] [CONTAINER...]",
  summary: "Display a live stream of container(s) resource usage statistics",
  args: [0, Number.POSITIVE_INFINITY],
  flags: {
    all: { kind: "bool", short: "a", help: "Show stopped containers too" },
    format: { kind: "string", help: "'table', 'table TEMPLATE', 'json', or a Go template for each line" },
    "no-stream": { kind: "bool", help: "Show one sample and end" },
    "no-trunc": { kind: "bool", help: "Show ids in full" },
  },
  async run(ctx, { flags, args }) {
    const format = formatOr(ctx, "statsFormat", flags);
    const names = args.length > 0 ? args : await runningIds(ctx, flags.all);
    const show: Show = (to, lines) => printListing(to, statsListing(!flags["no-trunc"]), lines, { format });
    if (flags["no-stream"]) {
      await show(ctx, await Promise.all(names.map((name) => sampleOnce(ctx, name))));
      return 0;
    }
    return args.length > 0 ? followSome(ctx, names, show) : followAll(ctx, { names, stopped: flags.all }, show);
  },
});

async function runningIds(ctx: Context, all: boolean): Promise<string[]> {
  const containers = await ctx.engine.containers.list({ all });
  return containers.flatMap((c) => (c.Id ? [c.Id] : []));
}

async function sampleOnce(ctx: Context, name: string): Promise<StatsLine> {
  for await (const sample of ctx.engine.containers.stats(name, { stream: false })) return statsLine(name, sample);
  throw new ExitError(1, `no statistics of container ${name}`);
}

type Show = (ctx: Context, lines: StatsLine[]) => Promise<void>;

/** What is shown: the last sample of each container, taken by a stream of its own until it goes. */
class Board {
  readonly #ctx: Context;
  readonly #latest = new Map<string, StatsLine>();
  readonly #streams = new Map<string, AbortController>();

  constructor(ctx: Context) {
    this.#ctx = ctx;
  }

  get lines(): StatsLine[] {
    return [...this.#latest.values()];
  }

  /** Follows a container; resolves when its statistics end. One that is followed already is left alone. */
  async add(name: string): Promise<void> {
    if (this.#streams.has(name)) return;
    const abort = new AbortController();
    this.#streams.set(name, abort);
    this.#latest.set(name, statsLine(name, undefined));
    const samples = this.#ctx.engine.containers.stats(name, { stream: true, signal: abort.signal });
    try {
      for await (const sample of samples) this.#latest.set(name, statsLine(name, sample));
    } catch (error) {
      if (!abort.signal.aborted) throw error;
    } finally {
      if (this.#streams.get(name) === abort) this.remove(name);
    }
  }

  remove(name: string): void {
    this.#streams.get(name)?.abort();
    this.#streams.delete(name);
    this.#latest.delete(name);
  }

  close(): void {
    for (const name of [...this.#streams.keys()]) this.remove(name);
  }
}

/** Redraws until `work` has ended, and once more then. */
async function redrawn(ctx: Context, board: Board, of: { show: Show; work: Promise<unknown> }): Promise<void> {
  const redraw = async (): Promise<void> => {
    // One piece, so that a terminal never shows half of it.
    let page = ctx.io.stdoutIsTerminal() ? "\x1b[H\x1b[J" : "";
    const io = { ...ctx.io, out: (text: string | Uint8Array): void => void (page += Buffer.from(text).toString()) };
    await of.show(Object.create(ctx, { io: { value: io } }), board.lines);
    ctx.io.out(page);
  };
  const timer = setInterval(() => void redraw(), REDRAW_MS);
  try {
    await of.work;
    await redraw();
  } finally {
    clearInterval(timer);
    board.close();
  }
}

/** Ends with the last of the containers that were named. */
async function followSome(ctx: Context, names: readonly string[], show: Show): Promise<number> {
  const board = new Board(ctx);
  await redrawn(ctx, board, { show, work: Promise.all(names.map((name) => board.add(name))) });
  return 0;
}

/** Goes on until it is interrupted: containers that start, and with `stopped` those that are made, join; those that end, or are removed, leave. */
async function followAll(
  ctx: Context,
  of: { names: readonly string[]; stopped: boolean },
  show: Show,
): Promise<number> {
  const board = new Board(ctx);
  const [comes, goes] = of.stopped ? ["create", "destroy"] : ["start", "die"];
  // One that has gone by the time it is asked for is no matter.
  const add = (name: string): void => void board.add(name).catch(() => undefined);
  const watch = async (): Promise<void> => {
    const filters = { type: ["container"], event: [comes, goes] };
    for await (const { event } of ctx.engine.system.events({ filters })) {
      const id = event.Actor?.ID ?? "";
      if (event.Action === comes) add(id);
      else board.remove(id);
    }
  };
  const work = watch();
  for (const name of of.names) add(name);
  await redrawn(ctx, board, { show, work });
  return 0;
}
