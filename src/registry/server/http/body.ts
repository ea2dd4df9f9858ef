import { RegistryError } from "../errors.ts";
import type { Body } from "../types.ts";

/** A client that sends nothing for so long is given up; milliseconds. */
export const IDLE_MS = 60_000;
/** Less than this in the time does not count as sending: else a byte now and then would hold a connection for ever. */
const LEAST_BYTES = 1024;

/** A request's body, piece by piece, at the reader's speed. Ends by an error where the client goes silent, or goes. Only time spent waiting for the client counts. */
export function bodyOf(request: Request, idleMs = IDLE_MS): Body {
  const reader = request.body?.getReader() as Reader | undefined;
  return {
    cancel: () => void reader?.cancel().catch(() => undefined),
    async *[Symbol.asyncIterator]() {
      if (!reader) return;
      let waited = 0;
      let came = 0;
      for (;;) {
        const begun = performance.now();
        const value = await next(reader, idleMs - waited);
        if (!value) return;
        waited += performance.now() - begun;
        came += value.byteLength;
        if (came >= LEAST_BYTES) waited = came = 0;
        yield value;
      }
    },
  };
}

interface Reader {
  read(): Promise<{ value?: Uint8Array }>;
  cancel(): Promise<void>;
}

/** What comes next; undefined at the end. */
async function next(reader: Reader, ms: number): Promise<Uint8Array | undefined> {
  let silent = false;
  const timer = setTimeout(() => {
    silent = true;
    reader.cancel().catch(() => undefined);
  }, ms);
  try {
    const { value } = await reader.read();
    if (!silent) return value;
  } catch {
    throw new RegistryError("BLOB_UPLOAD_INVALID", "the connection was cut; what had come is kept");
  } finally {
    clearTimeout(timer);
  }
  throw new RegistryError("BLOB_UPLOAD_INVALID", "nothing came for too long", { status: 408 });
}

/** The whole body. Throws SIZE_INVALID with 413 where it is larger than `limit` bytes. */
export async function wholeBody(request: Request, limit: number, idleMs?: number): Promise<Buffer> {
  const tooLarge = (): RegistryError =>
    new RegistryError("SIZE_INVALID", `more than ${limit} bytes are not taken`, { status: 413 });
  if (Number(request.headers.get("content-length") ?? 0) > limit) throw tooLarge();
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of bodyOf(request, idleMs)) {
    size += part.byteLength;
    if (size > limit) throw tooLarge();
    parts.push(part);
  }
  return Buffer.concat(parts);
}
