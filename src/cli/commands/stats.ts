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
    const show = (lines: StatsLine[]): Promise<void> =>
      printListing(ctx, statsListing(!flags["no-trunc"]), lines, { format });
    if (flags["no-stream"]) {
      await show(await Promise.all(names.map((name) => sampleOnce(ctx, name))));
      return 0;
    }
    return follow(ctx, names, show);
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

async function follow(
  ctx: Context,
  names: readonly string[],
  show: (lines: StatsLine[]) => Promise<void>,
): Promise<number> {
  const latest = new Map<string, StatsLine>(names.map((name) => [name, statsLine(name, undefined)]));
  const abort = new AbortController();
  const take = async (name: string): Promise<void> => {
    const options = { stream: true, signal: abort.signal };
    for await (const sample of ctx.engine.containers.stats(name, options)) latest.set(name, statsLine(name, sample));
    latest.delete(name);
  };
  const takers = Promise.all(names.map(take));
  const terminal = ctx.io.stdoutIsTerminal();
  const redraw = async (): Promise<void> => {
    if (terminal) ctx.io.out("\x1b[H\x1b[J");
    await show([...latest.values()]);
  };
  const timer = setInterval(() => void redraw(), REDRAW_MS);
  try {
    await takers;
    await redraw();
    return 0;
  } finally {
    clearInterval(timer);
    abort.abort();
  }
}
