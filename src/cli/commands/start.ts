import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { errorLine } from "../each.ts";
import { ExitError } from "../exit.ts";
import { startFailure } from "../exit-codes.ts";
import { requireExperimental } from "../experimental.ts";
import { detachKeysOr } from "../hosts/preferences.ts";

/** `berth start`: in the background, or with `-a`/`-i` attached to one container. */
export default command({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Start one or more stopped containers",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    attach: { kind: "bool", short: "a", help: "Attach to its output and forward signals" },
    checkpoint: { kind: "string", help: "Restore from this checkpoint" },
    "checkpoint-dir": { kind: "string", help: "Folder that keeps the checkpoints" },
    "detach-keys": { kind: "string", help: "Keys that detach from the container" },
    interactive: { kind: "bool", short: "i", help: "Attach to its standard input" },
  },
  async run(ctx, { flags, given, args }) {
    for (const flag of ["checkpoint", "checkpoint-dir"]) {
      if (given.has(flag)) await requireExperimental(ctx, `"--${flag}"`);
    }
    if (!flags.attach && !flags.interactive) return startAll(ctx, args);
    if (args.length > 1) throw new ExitError(1, "you cannot start and attach multiple containers at once");
    return startAttached(ctx, args[0] ?? "", { stdin: flags.interactive, detachKeys: flags["detach-keys"] });
  },
});

async function startAll(ctx: Context, names: readonly string[]): Promise<number> {
  const failed: string[] = [];
  for (const name of names) {
    try {
      await ctx.engine.containers.start(name);
      ctx.io.out(`${name}\n`);
    } catch (error) {
      ctx.io.err(`${errorLine(error)}\n`);
      failed.push(name);
    }
  }
  if (failed.length > 0) ctx.io.err(`Error: failed to start containers: ${failed.join(", ")}\n`);
  return failed.length > 0 ? 1 : 0;
}

async function startAttached(
  ctx: Context,
  name: string,
  options: { stdin: boolean; detachKeys: string },
): Promise<number> {
  const { containers } = ctx.engine;
  const terminal = await import("../stream/terminal.ts");
  const { carry } = await import("../stream/attached.ts");
  const { Id: id = name, Config, HostConfig } = await containers.inspect(name);
  const tty = Config?.Tty ?? false;
  const stdin = options.stdin && (Config?.OpenStdin ?? false);
  const detachKeys = detachKeysOr(ctx, options.detachKeys);
  const stream = await containers.attach(id, {
    stdin,
    stdout: true,
    stderr: true,
    detachKeys: detachKeys || undefined,
  });
  const unproxy = tty ? () => undefined : terminal.proxySignals((signal) => containers.kill(id, { signal }));
  let unfollow = (): void => undefined;
  try {
    const { answer } = await containers.wait(id, HostConfig?.AutoRemove ? "removed" : "next-exit");
    answer.catch(() => undefined);
    const ended = carry(ctx, stream, { tty, stdin, detachKeys });
    ended.catch(() => undefined);
    await containers.start(id).catch((error: unknown) => {
      throw new ExitError(startFailure(error, 1), errorLine(error));
    });
    if (tty) unfollow = terminal.followSize(ctx, (size) => containers.resize(id, size));
    return (await ended) === "detached" ? 0 : (await answer).StatusCode;
  } finally {
    unfollow();
    unproxy();
    stream.socket.destroy();
  }
}
