import type { EventLine } from "../../client/system.ts";
import type { EventMessage } from "../../spec/engine-api.ts";
import { command } from "../command.ts";
import { parseFilters } from "../filters.ts";
import { unescapeTabs } from "../format/listing.ts";
import { localRfc3339 } from "../format/time.ts";
import { timeArgument } from "../format/time-argument.ts";

/** `berth events`. */
export default command({
  usage: "[OPTIONS]",
  summary: "Get real time events from the engine",
  args: [0, 0],
  flags: {
    filter: { kind: "list", short: "f", type: "filter", help: "Show only what matches, such as event=die" },
    format: { kind: "string", help: "'json', or a Go template for each event" },
    since: { kind: "string", help: "Begin with events since a time" },
    until: { kind: "string", help: "End at a time" },
  },
  async run(ctx, { flags }) {
    const write = await writerFor(flags.format);
    const query = {
      since: timeArgument(flags.since, "since"),
      until: timeArgument(flags.until, "until"),
      filters: parseFilters(flags.filter),
    };
    for await (const line of ctx.engine.system.events(query)) ctx.io.out(`${write(line)}\n`);
    return 0;
  },
});

async function writerFor(format: string): Promise<(line: EventLine) => string> {
  if (format === "") return eventLine;
  if (format === "json") return ({ raw }) => raw;
  const { compileTemplate } = await import("../template/execute.ts");
  const template = compileTemplate(unescapeTabs(format), { missing: "zero" });
  return ({ event, raw }) => {
    const { ID, Attributes } = event.Actor ?? {};
    const old = { ID: ID ?? "", Status: event.Action ?? "", From: Attributes?.["image"] ?? "" };
    return template.execute({ ...old, Scope: event.scope, Time: event.time, TimeNano: nanosOf(event, raw), ...event });
  };
}

const NANOS = 1_000_000_000n;

/** All digits of `timeNano`, which JSON.parse rounds. */
function nanosOf(event: EventMessage, raw: string): bigint {
  const digits = /"timeNano":\s*(\d+)/.exec(raw)?.[1];
  return digits === undefined ? BigInt(event.time ?? 0) * NANOS : BigInt(digits);
}

/** `2026-… container start ID (image=…, name=…)`. */
function eventLine({ event, raw }: EventLine): string {
  const nanos = nanosOf(event, raw);
  const seconds = Number(nanos / NANOS);
  const digits = String(nanos % NANOS).padStart(9, "0");
  const attributes = Object.entries(event.Actor?.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([k, v]) => `${k}=${v}`);
  const tail = attributes.length > 0 ? ` (${attributes.join(", ")})` : "";
  return `${localRfc3339(seconds, digits)} ${event.Type} ${event.Action} ${event.Actor?.ID}${tail}`;
}
