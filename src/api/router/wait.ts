import { messageOf } from "../../spec/errors.ts";
import { invalid } from "../errors.ts";
import { text } from "../query.ts";
import { json, stream } from "../responses.ts";
import type { ApiResponse, Context } from "../types.ts";

type Condition = "not-running" | "next-exit" | "removed";
type Outcome = { StatusCode: number; Error?: { Message: string } };

/**
 * `POST /containers/{id}/wait`: from 1.30 on the headers go out when the wait is registered, so that a client may start the
 * container after it has seen them and miss nothing; the result follows as the body.
 */
export async function wait({ backend, params, query, request, version }: Context): Promise<ApiResponse> {
  const condition = version < 30 ? "not-running" : conditionOf(text(query, "condition"));
  const registered = Promise.withResolvers<void>();
  const outcome = backend.container.wait(params["id"] ?? "", {
    condition,
    signal: request.signal,
    ready: () => registered.resolve(),
  });
  if (version < 30) return json(await outcome);
  await Promise.race([registered.promise, outcome]);
  return stream(lineOf(settled(outcome)), "application/json");
}

function conditionOf(value: string | undefined): Condition {
  if (value === undefined) return "not-running";
  if (value === "not-running" || value === "next-exit" || value === "removed") return value;
  throw invalid(`invalid condition: "${value}"`);
}

/** Attached at once, so that a rejection before the body is read is not an unhandled one. */
function settled(outcome: Promise<Outcome>): Promise<Outcome> {
  return outcome.catch((error) => ({ StatusCode: -1, Error: { Message: messageOf(error) } }));
}

async function* lineOf(outcome: Promise<Outcome>): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`${JSON.stringify(await outcome)}\n`);
}
