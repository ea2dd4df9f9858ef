import type { ExecBody } from "../../client/exec.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { errorLine } from "../each.ts";
import { ExitError } from "../exit.ts";
import { startFailure } from "../exit-codes.ts";
import { detachKeysOr } from "../hosts/preferences.ts";
import { environment } from "../options/env.ts";

/** `berth exec`: the exit code is the command's own. */
export default command({
  usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  summary: "Execute a command in a running container",
  args: [2, Number.POSITIVE_INFINITY],
  interspersed: false,
  flags: {
    detach: { kind: "bool", short: "d", help: "Run in the background" },
    "detach-keys": { kind: "string", help: "Keys that detach from the command" },
    env: { since: 25, kind: "list", short: "e", help: "Set a variable" },
    "env-file": { since: 25, kind: "list", help: "Read variables from a file" },
    interactive: { kind: "bool", short: "i", help: "Forward standard input" },
    privileged: { kind: "bool", help: "Give the command all privileges" },
    tty: { kind: "bool", short: "t", help: "Give it a terminal" },
    user: { kind: "string", short: "u", help: "User: name|uid[:group|gid]" },
    workdir: { since: 35, kind: "string", short: "w", help: "Working directory" },
  },
  async run(ctx, { flags, args: [container = "", ...cmd] }) {
    const stdin = flags.interactive && !flags.detach;
    if (stdin && flags.tty && !ctx.io.stdinIsTerminal()) throw new ExitError(1, "the input device is not a TTY");
    const detachKeys = detachKeysOr(ctx, flags["detach-keys"]);
    const body: ExecBody = {
      User: flags.user,
      Privileged: flags.privileged,
      Tty: flags.tty,
      AttachStdin: stdin,
      AttachStdout: !flags.detach,
      AttachStderr: !flags.detach,
      ...(detachKeys ? { DetachKeys: detachKeys } : {}),
      Env: environment(flags["env-file"], flags.env, ctx.env),
      WorkingDir: flags.workdir,
      Cmd: cmd,
    };
    const { Id: id } = await ctx.engine.exec.create(container, body);
    if (flags.detach) {
      await ctx.engine.exec.startDetached(id, flags.tty);
      return 0;
    }
    try {
      return await execAttached(ctx, id, { tty: flags.tty, stdin, detachKeys });
    } catch (error) {
      if (error instanceof ExitError) throw error;
      throw new ExitError(startFailure(error, 1), errorLine(error));
    }
  },
});

async function execAttached(
  ctx: Context,
  id: string,
  options: { tty: boolean; stdin: boolean; detachKeys: string },
): Promise<number> {
  const { exec } = ctx.engine;
  const terminal = await import("../stream/terminal.ts");
  const { carry } = await import("../stream/attached.ts");
  const size = options.tty ? terminal.terminalSize(ctx) : undefined;
  const stream = await exec.startAttached(id, {
    tty: options.tty,
    consoleSize: size ? [size.h, size.w] : undefined,
  });
  const unfollow = options.tty ? terminal.followSize(ctx, (s) => exec.resize(id, s)) : () => undefined;
  try {
    if ((await carry(ctx, stream, options)) === "detached") throw new ExitError(1, "read escape sequence");
  } finally {
    unfollow();
  }
  return (await exec.inspect(id)).ExitCode ?? 0;
}
