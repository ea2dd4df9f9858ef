import { BerthError } from "../../spec/errors.ts";
import type { WaitResult } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { untilAborted } from "../lock.ts";

/** Which end a wait is for. `not-running` does not wait where it is at rest, and else ends with the next exit, as in Docker: also where a policy restarts it. */
export type WaitCondition = "not-running" | "next-exit" | "removed";

/**
 * Waits for a container's end; `ready` is called when nothing can be missed any more. One that has removed itself a moment ago is told of
 * by its full id: a client that asks only after the start may come too late.
 */
export async function waitContainer(
  ctx: EngineContext,
  reference: string,
  options: { condition: WaitCondition; signal: AbortSignal; ready: () => void },
): Promise<{ StatusCode: number; Error?: { Message: string } }> {
  const departed = ctx.containers.departed.get(reference);
  if (departed && !ctx.containers.get(reference)) {
    options.ready();
    return answer(departed);
  }
  const container = ctx.containers.find(reference);
  const { state } = container.record;
  let end: Promise<WaitResult>;
  if (options.condition === "removed") end = container.removed.promise;
  else if (options.condition === "next-exit" || state.status === "running" || state.status === "restarting")
    end = container.nextExit.promise;
  else end = Promise.resolve({ code: state.exitCode });
  options.ready();
  const result = await untilAborted(end, options.signal, () => new BerthError("unavailable", "the wait was cancelled"));
  return answer(result);
}

function answer({ code, error }: WaitResult): { StatusCode: number; Error?: { Message: string } } {
  return { StatusCode: code, ...(error ? { Error: { Message: error } } : {}) };
}
