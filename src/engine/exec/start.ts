import type { Duplex } from "node:stream";
import type { MonitorHandle } from "../../host/monitor-types.ts";
import { BerthError } from "../../spec/errors.ts";
import { frame } from "../../spec/stdcopy.ts";
import { type Container, runningOf } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { endMonitor } from "../monitors.ts";
import { DEFAULT_DETACH_KEYS, flush, parseDetachKeys, splice } from "../splice.ts";
import { execFailure } from "../start-error.ts";
import type { Exec } from "./state.ts";

/** How an exec is started. */
export interface ExecStartOptions {
  detach: boolean;
  tty: boolean;
  consoleSize?: { rows: number; cols: number };
}

/**
 * Runs an exec once. Attached: resolves when its process has ended and all output is with the client; a command that cannot be run is told in
 * the stream, as Docker does, and in the exec's exit code. Detached: resolves when it runs, or throws.
 */
export async function startExec(
  ctx: EngineContext,
  id: string,
  options: ExecStartOptions,
  ready: (tty: boolean) => Duplex,
): Promise<void> {
  const exec = findExec(ctx, id);
  const container = ctx.containers.find(exec.containerId);
  if (exec.state === "running") throw new BerthError("conflict", `exec command ${id} is already running`);
  if (exec.state === "exited") throw new BerthError("conflict", `exec command ${id} has already run`);
  runningOf(container);
  exec.state = "running";
  if (options.consoleSize) exec.consoleSize = options.consoleSize;
  emitContainer(ctx.events, container, `exec_start: ${exec.argv.join(" ")}`, { execID: id });
  if (options.detach) {
    const handle = await launchExec(ctx, container, exec);
    await runExec(ctx, container, { exec, handle });
    return;
  }
  await attached(ctx, container, { exec, ready });
}

async function attached(
  ctx: EngineContext,
  container: Container,
  of: { exec: Exec; ready: (tty: boolean) => Duplex },
): Promise<void> {
  const { exec } = of;
  const client = of.ready(exec.tty);
  let stream: Duplex;
  let handle: MonitorHandle;
  try {
    handle = await launchExec(ctx, container, exec);
    stream = await connect(exec, handle);
    await runExec(ctx, container, { exec, handle });
  } catch (error) {
    const text = Buffer.from(`${error instanceof Error ? error.message : String(error)}\r\n`);
    client.write(exec.tty ? text : frame("stdout", text));
    return flush(client);
  }
  const keys = exec.tty && exec.attach.stdin ? parseDetachKeys(exec.detachKeys || DEFAULT_DETACH_KEYS) : undefined;
  // The client asks for the exit code as soon as its stream ends.
  const options = { stdin: exec.attach.stdin, settled: handle.exited, ...(keys ? { detach: keys } : {}) };
  const end = await splice(client, stream, options);
  if (end === "detached") emitContainer(ctx.events, container, "exec_detach", { execID: exec.id });
}

/** The exec's streams. Its container may end in this very moment, and the helper with it: then this exec has failed. */
async function connect(exec: Exec, handle: MonitorHandle): Promise<Duplex> {
  try {
    return await handle.attach(exec.attach);
  } catch (error) {
    await endMonitor(handle);
    throw failed(exec, error);
  }
}

/** Launches the helper of an exec; its process runs after `runExec`. */
export async function launchExec(ctx: EngineContext, container: Container, exec: Exec): Promise<MonitorHandle> {
  const { record } = container;
  try {
    const handle = await ctx.runtime.exec({
      id: exec.id,
      containerId: record.id,
      monitorPid: runningOf(container).handle.monitorPid,
      args: exec.argv,
      env: exec.env,
      cwd: exec.cwd,
      user: exec.user,
      tty: exec.tty,
      stdin: exec.attach.stdin,
      privileged: exec.privileged,
      hostConfig: record.hostConfig,
      ...(record.hostConfig.Runtime ? { runtime: record.hostConfig.Runtime } : {}),
      ...(exec.consoleSize ? { consoleSize: exec.consoleSize } : {}),
    });
    exec.handle = handle;
    return handle;
  } catch (error) {
    throw failed(exec, error);
  }
}

/** Starts the process; its end is recorded and announced. Throws Docker's words for a command that cannot be run. */
export async function runExec(
  ctx: EngineContext,
  container: Container,
  of: { exec: Exec; handle: MonitorHandle },
): Promise<void> {
  const { exec, handle } = of;
  try {
    await handle.start();
  } catch (error) {
    throw failed(exec, error);
  }
  exec.ready.resolve();
  void handle.exited.then((status) => {
    exec.state = "exited";
    exec.exitCode = status.code;
    emitContainer(ctx.events, container, "exec_die", { execID: exec.id, exitCode: String(status.code) });
  });
}

function failed(exec: Exec, thrown: unknown): BerthError {
  const { error, code } = execFailure(thrown, exec.argv[0] ?? "");
  exec.state = "exited";
  exec.exitCode = code;
  exec.ready.resolve();
  return error;
}

/** Throws `not-found` in Docker's words. */
export function findExec(ctx: EngineContext, id: string): Exec {
  const exec = ctx.execs.get(id);
  if (!exec) throw new BerthError("not-found", `No such exec instance: ${id}`);
  return exec;
}
