import { command } from "../command.ts";
import { currentName } from "../hosts/edit.ts";

/** `berth context show`. */
export default command({
  usage: "",
  summary: "Print the name of the current context",
  args: [0, 0],
  flags: {},
  async run(ctx) {
    ctx.io.out(`${currentName(ctx)}\n`);
    return 0;
  },
});
