import { command } from "../command.ts";
import { printLine } from "../context.ts";
import { createContainer } from "../create-container.ts";
import { createBody } from "../options/body.ts";
import { CONTAINER_FLAGS } from "../options/flags.ts";

/** `berth create`. */
export default command({
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  summary: "Create a new container",
  args: [1, Number.POSITIVE_INFINITY],
  interspersed: false,
  flags: CONTAINER_FLAGS,
  async run(ctx, { flags, given, args }) {
    const body = createBody({ flags, given, args, env: ctx.env, detach: false });
    printLine(ctx, await createContainer(ctx, body, flags));
    return 0;
  },
});
