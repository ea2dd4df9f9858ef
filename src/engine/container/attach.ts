import type { Duplex } from "node:stream";
import type { AttachOptions } from "../../api/backend.ts";
import type { MonitorHandle } from "../../host/monitor-types.ts";
import { BerthError } from "../../spec/errors.ts";
import { type Container, isRunning, type WaitingClient } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { signal } from "../lock.ts";
import { DEFAULT_DETACH_KEYS, flush, parseDetachKeys, splice, writeAll } from "../splice.ts";
import { readLogs } from "./logs.ts";

/**
 * Connects a client with a container. One that does not run yet is waited for: `docker run` attaches before it starts, and is connected
 * before the first byte is written. Resolves when the client has all, has detached or has gone.
 */
export async function attachContainer(
  ctx: EngineContext,
  reference: string,
  options: AttachOptions,
  ready: (tty: boolean) => Duplex,
): Promise<void> {
  const container = ctx.containers.find(reference);
  const tty = container.record.config.Tty === true;
  refuseAtRest(container, reference);
  const detach = detachKeysOf(options, tty);
  const client = ready(tty);
  emitContainer(ctx.events, container, "attach");
  // Connected before the log is read: then nothing falls between the two.
  const live = options.stream && (options.stdin || options.stdout || options.stderr);
  const monitor = live ? connectMonitor(container, client, options) : undefined;
  if (options.logs) await writePast(ctx, container, { client, options });
  const stream = await monitor;
  if (!stream) return flush(client);
  const { StdinOnce: once, Tty: terminal } = container.record.config;
  const end = await splice(client, stream, {
    stdin: takesStdin(container, options),
    // As with Docker: the end of this client's input is not the end of what the container keeps open for others.
    endLeaves: once !== true || terminal === true,
    ...(detach ? { detach } : {}),
  });
  if (end === "detached") emitContainer(ctx.events, container, "detach");
}

function refuseAtRest({ record: { state } }: Container, reference: string): void {
  if (state.paused)
    throw new BerthError("conflict", `container ${reference} is paused, unpause the container before attach`);
  if (state.status === "restarting")
    throw new BerthError("conflict", `container ${reference} is restarting, wait until the container is running`);
}

/** The monitor's stream, now or when the container starts; undefined where it never does or the client leaves before. */
function connectMonitor(container: Container, client: Duplex, options: AttachOptions): Promise<Duplex | undefined> {
  const streams = { stdin: takesStdin(container, options), stdout: options.stdout, stderr: options.stderr };
  if (isRunning(container) && container.run) return container.run.handle.attach(streams);
  const connected = signal<Duplex | undefined>();
  const waiting: WaitingClient = {
    connect: async (handle: MonitorHandle) => connected.resolve(await handle.attach(streams)),
    abandon: () => connected.resolve(undefined),
  };
  container.waiting.add(waiting);
  // Without stdin nothing is lost by reading, and only a reader learns that the client has gone.
  if (!streams.stdin) client.resume();
  client.once("close", () => {
    container.waiting.delete(waiting);
    waiting.abandon();
  });
  return connected.promise;
}

function takesStdin(container: Container, options: AttachOptions): boolean {
  return options.stdin && container.record.config.OpenStdin === true;
}

async function writePast(
  ctx: EngineContext,
  container: Container,
  to: { client: Duplex; options: AttachOptions },
): Promise<void> {
  const { stdout, stderr } = to.options;
  const never = new AbortController().signal;
  await writeAll(
    to.client,
    readLogs(ctx, container, { stdout, stderr, follow: false, timestamps: false, signal: never }),
  );
}

function detachKeysOf(options: AttachOptions, tty: boolean): Uint8Array | undefined {
  const text = options.detachKeys || DEFAULT_DETACH_KEYS;
  const keys = parseDetachKeys(text);
  if (!keys) throw new BerthError("invalid-argument", `Invalid detach keys (${text}) provided`);
  return tty && options.stdin ? keys : undefined;
}
