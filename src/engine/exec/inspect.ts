import { BerthError } from "../../spec/errors.ts";
import type { EngineContext } from "../context.ts";
import { untilAborted } from "../lock.ts";
import { findExec } from "./start.ts";

/** `GET /exec/{id}/json`. */
export function inspectExec(ctx: EngineContext, id: string): object {
  const exec = findExec(ctx, id);
  const [entrypoint = "", ...rest] = exec.argv;
  return {
    ID: exec.id,
    Running: exec.state === "running",
    ExitCode: exec.exitCode ?? null,
    ProcessConfig: {
      tty: exec.tty,
      entrypoint,
      arguments: rest,
      privileged: exec.privileged,
      ...(exec.userText ? { user: exec.userText } : {}),
    },
    OpenStdin: exec.attach.stdin,
    OpenStderr: exec.attach.stderr,
    OpenStdout: exec.attach.stdout,
    CanRemove: false,
    ContainerID: exec.containerId,
    DetachKeys: exec.detachKeys,
    Pid: exec.handle?.pid ?? 0,
  };
}

/** Docker's patience with a client that resizes before it starts. */
const PATIENCE_MS = 10_000;

/** Sets the size of an exec's terminal; without one nothing is to be done. One that does not run yet is waited for, as Docker does. */
export async function resizeExec(ctx: EngineContext, id: string, size: { rows: number; cols: number }): Promise<void> {
  const exec = findExec(ctx, id);
  const late = (): BerthError => new BerthError("internal", "timeout waiting for exec session ready");
  await untilAborted(exec.ready.promise, AbortSignal.timeout(PATIENCE_MS), late);
  if (!exec.handle || exec.state !== "running")
    throw new BerthError("not-found", `NotFound: process does not exist ${id}: not found`);
  if (exec.tty) await exec.handle.resize(size.rows, size.cols);
}
