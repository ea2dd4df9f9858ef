import type { CreateBody } from "../../client/containers.ts";
import type { HijackedStream } from "../../client/hijack.ts";
import { BerthError, messageOf } from "../../spec/errors.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { createContainer } from "../create-container.ts";
import { ExitError } from "../exit.ts";
import { RUN_FAILED, startFailure } from "../exit-codes.ts";
import type { FlagTable, FlagValues } from "../flags.ts";
import { detachKeysOr } from "../hosts/preferences.ts";
import { createBody } from "../options/body.ts";
import { CONTAINER_FLAGS } from "../options/flags.ts";

/** The flags of `run`: a container's, and how this terminal takes part. */
export const RUN_FLAGS = {
  ...CONTAINER_FLAGS,
  detach: { kind: "bool", short: "d", help: "Run in the background and print the id" },
  "detach-keys": { kind: "string", help: "Keys that detach from the container" },
  "sig-proxy": { kind: "bool", help: "Pass signals on to the process", fallback: true },
} as const satisfies FlagTable;

type RunFlags = FlagValues<typeof RUN_FLAGS>;

/** `berth run`: create, attach, wait, start, in this order, so that no output and no exit code is missed. */
export default command({
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  summary: "Create and run a new container from an image",
  args: [1, Number.POSITIVE_INFINITY],
  interspersed: false,
  failure: RUN_FAILED,
  flags: RUN_FLAGS,
  async run(ctx, { flags, given, args }) {
    if (flags.detach && flags.attach.length > 0) {
      throw new ExitError(1, "conflicting options: cannot specify both --attach and --detach");
    }
    const body = createBody({ flags, given, args, env: ctx.env, detach: flags.detach });
    if (body.AttachStdin && flags.tty && !ctx.io.stdinIsTerminal()) {
      throw new ExitError(1, "the input device is not a TTY");
    }
    if (flags.tty) await setConsoleSize(ctx, body);
    const id = await createContainer(ctx, body, flags);
    const attached = body.AttachStdin || body.AttachStdout || body.AttachStderr;
    if (attached) return runAttached(ctx, { id, body, flags });
    await ctx.engine.containers.start(id).catch((error: unknown) => failStart(ctx, error));
    ctx.io.out(`${id}\n`);
    return 0;
  },
});

async function setConsoleSize(ctx: Context, body: CreateBody): Promise<void> {
  const { terminalSize } = await import("../stream/terminal.ts");
  const size = terminalSize(ctx);
  if (size) body.HostConfig = { ...body.HostConfig, ConsoleSize: [size.h, size.w] };
}

function failStart(ctx: Context, error: unknown): never {
  if (!(error instanceof BerthError)) throw error;
  const text = `berth: Error response from daemon: ${messageOf(error)}\n\nRun '${ctx.name} --help' for more information`;
  throw new ExitError(startFailure(error, RUN_FAILED), text);
}

async function runAttached(ctx: Context, made: { id: string; body: CreateBody; flags: RunFlags }): Promise<number> {
  const { id, body, flags } = made;
  const { containers } = ctx.engine;
  const detachKeys = detachKeysOr(ctx, flags["detach-keys"]);
  const terminal = await import("../stream/terminal.ts");
  const { carry } = await import("../stream/attached.ts");
  const stream: HijackedStream = await containers.attach(id, {
    stdin: body.AttachStdin ?? false,
    stdout: body.AttachStdout ?? false,
    stderr: body.AttachStderr ?? false,
    detachKeys: detachKeys || undefined,
  });
  const unproxy = flags["sig-proxy"]
    ? terminal.proxySignals((s) => containers.kill(id, { signal: s }), { tty: flags.tty })
    : () => undefined;
  let unfollow = (): void => undefined;
  try {
    const { answer } = await containers.wait(id, flags.rm ? "removed" : "next-exit");
    // Until it is awaited below, a connection that is lost must not count as unhandled.
    answer.catch(() => undefined);
    const options = { tty: flags.tty, stdin: body.AttachStdin ?? false, detachKeys };
    const ended = carry(ctx, stream, options);
    ended.catch(() => undefined);
    try {
      await containers.start(id);
    } catch (error) {
      stream.socket.destroy();
      if (flags.rm) await answer.catch(() => undefined);
      await ended.catch(() => undefined);
      failStart(ctx, error);
    }
    if (flags.tty) unfollow = terminal.followSize(ctx, (size) => containers.resize(id, size));
    if ((await ended) === "detached") return 0;
    const { StatusCode, Error: failure } = await answer;
    if (failure?.Message) throw new ExitError(RUN_FAILED, `berth: Error response from daemon: ${failure.Message}`);
    return StatusCode;
  } finally {
    unfollow();
    unproxy();
    stream.socket.destroy();
  }
}
