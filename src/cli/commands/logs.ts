import { isKind } from "../../spec/errors.ts";
import { command } from "../command.ts";
import { timeArgument } from "../format/time-argument.ts";
import { writeFrames } from "../stream/attached.ts";

/** `berth logs`. */
export default command({
  usage: "[OPTIONS] CONTAINER",
  summary: "Fetch the logs of a container",
  args: [1, 1],
  flags: {
    details: { kind: "bool", help: "Show extra details of the log" },
    follow: { kind: "bool", short: "f", help: "Go on with new output" },
    since: { kind: "string", help: "Only lines since a time, or a span ago (42m)" },
    tail: { kind: "string", short: "n", help: "How many of the last lines", fallback: "all" },
    timestamps: { kind: "bool", short: "t", help: "Put the time before each line" },
    until: { since: 35, kind: "string", help: "Only lines before a time, or a span ago (42m)" },
  },
  async run(ctx, { flags, args: [id = ""] }) {
    const { since, until, ...rest } = flags;
    const query = { ...rest, since: timeArgument(since, "since"), until: timeArgument(until, "until") };
    const response = await ctx.engine.containers.logs(id, query);
    await writeFrames(ctx, response.body(), await isRaw());
    return 0;

    /** The content type tells since API 1.42; before, only the container's configuration does. */
    async function isRaw(): Promise<boolean> {
      const type = response.header("content-type") ?? "";
      if (type.includes("multiplexed-stream")) return false;
      try {
        return (await ctx.engine.containers.inspect(id)).Config?.Tty ?? false;
      } catch (error) {
        if (isKind(error, "not-found")) return type.includes("raw-stream");
        throw error;
      }
    }
  },
});
