import { detectCompression } from "../layer/compression.ts";
import { tarHeader, writeTar } from "../layer/tar/writer.ts";
import { BerthError, messageOf } from "../spec/errors.ts";

/** Where a tar's magic stands, and how many bytes tell what something is. */
const MAGIC_AT = 257;
const HEAD = 512;
const TEXT_LIMIT = 16 * 1024 * 1024;

/**
 * A build context from a URL (the specification's `remote`): an archive as it is, anything else is the Dockerfile alone, under the name that
 * is asked for. Throws `unavailable` where it cannot be had.
 */
export async function* remoteContext(
  url: string,
  options: { dockerfile: string; signal?: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const body = fetched(url, options.signal);
  const head: Uint8Array[] = [];
  let bytes = 0;
  for (let next = await body.next(); !next.done; next = await body.next()) {
    head.push(next.value);
    bytes += next.value.length;
    if (bytes >= HEAD) break;
  }
  const start = Buffer.concat(head);
  if (isArchive(start)) {
    yield start;
    yield* body;
    return;
  }
  const rest: Uint8Array[] = [start];
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > TEXT_LIMIT) throw new BerthError("invalid-argument", `${url}: neither an archive nor a Dockerfile`);
    rest.push(piece);
  }
  const header = tarHeader({ path: options.dockerfile, size: bytes, mode: 0o600 });
  yield* writeTar([{ header, body: Buffer.concat(rest) }]);
}

function isArchive(start: Buffer): boolean {
  return detectCompression(start) !== "none" || start.toString("latin1", MAGIC_AT, MAGIC_AT + 5) === "ustar";
}

async function* fetched(url: string, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  try {
    const response = await fetch(url, signal ? { signal } : {});
    if (!response.ok || !response.body) throw new Error(`status ${response.status} ${response.statusText}`.trim());
    yield* response.body as ReadableStream<Uint8Array> & AsyncIterable<Uint8Array>;
  } catch (cause) {
    throw new BerthError("unavailable", `failed to GET ${url}: ${messageOf(cause)}`, { cause });
  }
}
