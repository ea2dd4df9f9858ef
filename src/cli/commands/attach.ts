import type { ContainerState } from "../../spec/engine-api.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { detachKeysOr } from "../hosts/preferences.ts";

/** `berth attach`. */
export default command({
  usage: "[OPTIONS] CONTAINER",
  summary: "Attach local standard input, output, and error streams to a running container",
  args: [1, 1],
  flags: {
    "detach-keys": { kind: "string", help: "Keys that detach from the container" },
    "no-stdin": { kind: "bool", help: "Do not attach standard input" },
    "sig-proxy": { kind: "bool", help: "Pass signals on to the process", fallback: true },
  },
  async run(ctx, { flags, args: [name = ""] }) {
    const { containers } = ctx.engine;
    const { Id: id = name, State, Config } = await containers.inspect(name);
    refuse(State ?? null);
    const tty = Config?.Tty ?? false;
    const stdin = !flags["no-stdin"] && (Config?.OpenStdin ?? false);
    if (tty && stdin && !ctx.io.stdinIsTerminal()) throw new ExitError(1, "the input device is not a TTY");
    const terminal = await import("../stream/terminal.ts");
    const { carry } = await import("../stream/attached.ts");
    const detachKeys = detachKeysOr(ctx, flags["detach-keys"]);
    const { answer } = await containers.wait(id, "not-running");
    answer.catch(() => undefined);
    const stream = await containers.attach(id, {
      stdin,
      stdout: true,
      stderr: true,
      detachKeys: detachKeys || undefined,
    });
    const proxies = flags["sig-proxy"] && !tty;
    const unproxy = proxies ? terminal.proxySignals((s) => containers.kill(id, { signal: s })) : () => undefined;
    const unfollow = tty ? terminal.followSize(ctx, (size) => containers.resize(id, size)) : () => undefined;
    try {
      if ((await carry(ctx, stream, { tty, stdin, detachKeys })) === "detached") {
        throw new ExitError(1, "read escape sequence");
      }
      return (await answer).StatusCode;
    } finally {
      unfollow();
      unproxy();
    }
  },
});

function refuse(state: ContainerState): void {
  if (state?.Paused) throw new ExitError(1, "You cannot attach to a paused container, unpause it first");
  if (state?.Restarting)
    throw new ExitError(1, "You cannot attach to a restarting container, wait until it is running");
  if (!state?.Running) throw new ExitError(1, "You cannot attach to a stopped container, start it first");
}
