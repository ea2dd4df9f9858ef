import { BerthError, messageOf } from "../../spec/errors.ts";
import { command } from "../command.ts";
import { type Context, printLine } from "../context.ts";
import { createContainer } from "../create-container.ts";
import { ExitError } from "../exit.ts";
import { RUN_FAILED } from "../exit-codes.ts";
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
    const body = understood(ctx, () => createBody({ flags, given, args, env: ctx.env, detach: false }));
    printLine(ctx, await createContainer(ctx, body, flags));
    return 0;
  },
});

/** Flags that do not fit together end the command with another code than what the engine refuses. */
function understood<T>(ctx: Context, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof BerthError) || /^invalid argument ".*" for ".*" flag: /s.test(error.message)) throw error;
    throw new ExitError(RUN_FAILED, `berth: ${messageOf(error)}\n\nRun '${ctx.name} --help' for more information`);
  }
}
