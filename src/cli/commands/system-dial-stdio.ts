import type { Socket } from "node:net";
import { dial } from "../../client/dial.ts";
import { connectError } from "../../client/errors.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";

/** `berth system dial-stdio`: what a client at the other end of ssh runs to reach the engine here. */
export default command({
  usage: "",
  summary: "Proxy the stdio stream to the daemon connection. Should not be invoked manually.",
  args: [0, 0],
  flags: {},
  async run(ctx) {
    // Wakes an engine that is started on demand, and says in one line where there is none.
    await ctx.engine.core.done({ method: "GET", path: "/_ping" });
    const { socket } = dial(ctx.engine.core.host);
    await carried(ctx, socket);
    return 0;
  },
});

/** Ends when the engine has said all; the end of standard input half-closes. */
function carried(ctx: Context, socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", (error) => reject(connectError(ctx.engine.core.host, error)));
    socket.once("end", () => {
      socket.destroy();
      ctx.io.stdin().pause();
      resolve();
    });
    ctx.io.stdin().pipe(socket);
    socket.pipe(ctx.io.stdout(), { end: false });
  });
}
