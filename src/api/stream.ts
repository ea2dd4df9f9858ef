import { messageOf } from "../spec/errors.ts";
import { stream } from "./responses.ts";
import type { ApiResponse } from "./types.ts";

/**
 * A stream of JSON objects, one a line, each sent when it comes. A failure after the first line becomes the last line,
 * `{"errorDetail": {"message": …}, "error": …}`. The source is closed when the client goes.
 */
export async function* jsonLines(source: AsyncIterable<object>, eol = "\n"): AsyncGenerator<Uint8Array> {
  try {
    for await (const item of source) yield Buffer.from(JSON.stringify(item) + eol);
  } catch (error) {
    const message = messageOf(error);
    yield Buffer.from(JSON.stringify({ errorDetail: { ...codeOf(error), message }, error: message }) + eol);
  }
}

/** The exit code of a command that ended a build. */
function codeOf(error: unknown): { code?: number } {
  const cause = error instanceof Error ? error.cause : undefined;
  if (typeof cause !== "object" || cause === null || !("code" in cause) || typeof cause.code !== "number") return {};
  return { code: cause.code };
}

/**
 * A progress stream as an answer. Waits for the first line, so that what fails before it becomes an ordinary
 * error with its status.
 */
export async function progress(source: AsyncIterable<object>): Promise<ApiResponse> {
  return stream(jsonLines(await begun(source), "\r\n"), "application/json");
}

/** The same source once its first item is there: what fails before it is thrown here. */
export async function begun<T>(source: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const iterator = source[Symbol.asyncIterator]();
  const first = await iterator.next();
  return (async function* (): AsyncGenerator<T> {
    try {
      for (let step = first; !step.done; step = await iterator.next()) yield step.value;
    } finally {
      await iterator.return?.();
    }
  })();
}
