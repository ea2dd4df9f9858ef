import { command } from "../command.ts";
import { printLine } from "../context.ts";
import { ExitError } from "../exit.ts";

const LETTERS = ["C", "A", "D"];

/** `berth diff CONTAINER`. */
export default command({
  usage: "CONTAINER",
  summary: "Inspect changes to files or directories on a container's filesystem",
  args: [1, 1],
  flags: {},
  async run(ctx, { args: [id = ""] }) {
    if (id === "") throw new ExitError(1, "Container name cannot be empty");
    for (const { Path, Kind } of await ctx.engine.files.changes(id)) printLine(ctx, `${LETTERS[Kind]} ${Path}`);
    return 0;
  },
});
