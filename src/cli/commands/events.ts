import type { EventLine } from "../../client/system.ts";
import type { EventMessage } from "../../spec/engine-api.ts";
import { messageOf } from "../../spec/errors.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { parseFilters } from "../filters.ts";
import { unescapeTabs } from "../format/listing.ts";
import { localRfc3339 } from "../format/time.ts";
import { timeArgument } from "../format/time-argument.ts";
import { goStruct } from "../template/go-values.ts";
import { Row } from "../template/values.ts";

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
      since: timeArgument(flags.since),
      until: timeArgument(flags.until),
      filters: parseFilters(flags.filter),
    };
    for await (const line of ctx.engine.system.events(query)) ctx.io.out(`${write(line)}\n`);
    return 0;
  },
});

async function writerFor(format: string): Promise<(line: EventLine) => string> {
  if (format === "") return eventLine;
  const { compileTemplate } = await import("../template/execute.ts");
  const source = format === "json" ? "{{json .}}" : unescapeTabs(format);
  const template = formatted(() => compileTemplate(source, { missing: "zero" }));
  return ({ event, raw }) => formatted(() => template.execute(eventRow(event, nanosOf(event, raw))));
}

/** A template that does not fit ends the command with Docker's exit code for it. */
function formatted<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw new ExitError(BAD_TEMPLATE, `Error parsing format: ${messageOf(error)}`);
  }
}

/** An event as Go's `events.Message`: fields by their Go names, and its own JSON, with sorted attributes. */
function eventRow(event: EventMessage, nanos: bigint): Row {
  const old = event as { status?: string; id?: string; from?: string };
  const actor = { ID: event.Actor?.ID ?? "", Attributes: sorted(event.Actor?.Attributes ?? {}) };
  const fields = {
    Status: old.status ?? "",
    ID: old.id ?? "",
    From: old.from ?? "",
    Type: event.Type ?? "",
    Action: event.Action ?? "",
    Scope: event.scope ?? "",
    Time: event.time ?? 0,
    TimeNano: nanos,
  };
  const json = { ...event, Actor: actor, timeNano: nanos };
  return new Row({ ...fields, Actor: goStruct("events.Actor", actor) }, { type: "*events.Message", json });
}

const sorted = (record: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));

const BAD_TEMPLATE = 64;
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
  const attributes = Object.entries(sorted(event.Actor?.Attributes ?? {})).map(([k, v]) => `${k}=${v}`);
  const tail = attributes.length > 0 ? ` (${attributes.join(", ")})` : "";
  return `${localRfc3339(seconds, digits)} ${event.Type} ${event.Action} ${event.Actor?.ID}${tail}`;
}
