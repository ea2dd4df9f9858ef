import { BerthError } from "../spec/errors.ts";
import { invalid } from "./errors.ts";
import { scanJson } from "./json-syntax.ts";
import { SHAPES } from "./shapes.ts";
import type { ApiRequest } from "./types.ts";
import { conform, type Shape } from "./validate.ts";

/** The most bytes that a JSON body may have. */
const MAX_JSON_BYTES = 16 * 1024 * 1024;

/**
 * The request's JSON body in that shape, or undefined where there is no body. T has to describe what `shape` lets through.
 * Throws `invalid-argument` on a wrong Content-Type, broken JSON, more than one document, more than MAX_JSON_BYTES, and on a
 * wrong type, naming the field. `type` is Docker's name for the whole; `required`: no body at all is an error too.
 */
export async function jsonBody<T>(
  request: ApiRequest,
  shape: Shape,
  options: { type?: string; required?: boolean } = {},
): Promise<T | undefined> {
  const text = await readText(request);
  const contentType = request.headers["content-type"];
  if (text !== "" || contentType !== undefined) checkContentType(contentType ?? "");
  if (text.trim() === "") {
    if (options.required) throw invalid("invalid JSON: got EOF while reading request body");
    return undefined;
  }
  const parsed = parseJson(text);
  return parsed === null ? undefined : (conform(parsed, shape, SHAPES, options.type) as T);
}

/** RFC 2045, section 5.1, in the words of Go's parser. */
function checkContentType(header: string): void {
  const [media = "", ...parameters] = header.split(";");
  const malformed = (why: string): Error => invalid(`malformed Content-Type header (${header}): mime: ${why}`);
  const [, type, slash, subtype, rest] =
    /^\s*([^\s()<>@,;:\\"/[\]?=]*)(\/?)([^\s()<>@,;:\\"/[\]?=]*)\s*(.*)$/.exec(media) ?? [];
  if (!type) throw malformed("no media type");
  if (slash && !subtype) throw malformed("expected token after slash");
  if (rest) throw malformed(slash ? "unexpected content after media subtype" : "expected slash after first token");
  const last = parameters.length - 1;
  if (
    parameters.some(
      (p, i) =>
        !/^\s*[\w!#$%&'*+.^`|~-]+\s*=\s*("[^"]*"|[\w!#$%&'*+.^`|~-]+)\s*$/.test(p) && !(i === last && p.trim() === ""),
    )
  )
    throw malformed("invalid media parameter");
  if (media.trim().toLowerCase() !== "application/json")
    throw invalid(`unsupported Content-Type header (${header}): must be 'application/json'`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const scan = scanJson(text);
    const words = "error" in scan ? `invalid JSON: ${scan.error}` : "unexpected content after JSON";
    throw new BerthError("invalid-argument", words, { cause });
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
