import { BerthError } from "../spec/errors.ts";
import { invalid } from "./errors.ts";
import { SHAPES } from "./shapes.ts";
import type { ApiRequest } from "./types.ts";
import { conform, type Shape } from "./validate.ts";

/** The most bytes that a JSON body may have. */
const MAX_JSON_BYTES = 4 * 1024 * 1024;

/**
 * The request's JSON body in that shape, or undefined where there is no body. T has to describe what `shape` lets through.
 * Throws `invalid-argument` on a wrong Content-Type, broken JSON, more than one document, more than MAX_JSON_BYTES, and on a
 * wrong type, naming the field.
 */
export async function jsonBody<T>(request: ApiRequest, shape: Shape): Promise<T | undefined> {
  const text = await readText(request);
  const contentType = request.headers["content-type"];
  const mime = contentType?.split(";")[0]?.trim().toLowerCase();
  if (text === "" && mime === undefined) return undefined;
  if (mime !== "application/json") {
    throw invalid(`unsupported Content-Type header (${contentType ?? ""}): must be 'application/json'`);
  }
  if (text.trim() === "") return undefined;
  const parsed = parseJson(text);
  return parsed === null ? undefined : (conform(parsed, shape, SHAPES) as T);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BerthError("invalid-argument", `invalid JSON: ${error instanceof Error ? error.message : "unreadable"}`, {
      cause: error,
    });
  }
}

async function readText(request: ApiRequest): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.byteLength;
    if (size > MAX_JSON_BYTES) throw invalid(`request body too large: more than ${MAX_JSON_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
