import { RegistryError } from "../errors.ts";
import type { Body } from "../types.ts";

/** A client that sends nothing for so long is given up. */
const IDLE_MS = 60_000;

/** A request's body, piece by piece, at the reader's speed. Ends by an error where the client goes silent, or goes. */
export function bodyOf(request: Request, idleMs: number = IDLE_MS): Body {
  const reader = request.body?.getReader();
  const cancel = (): void => void reader?.cancel().catch(() => undefined);
  return {
    cancel,
    async *[Symbol.asyncIterator]() {
      if (!reader) return;
      let silent = false;
      const timer = setTimeout(() => {
        silent = true;
        cancel();
      }, idleMs);
      try {
        for (;;) {
          const { done, value } = await reader.read();
          if (silent) throw new RegistryError("BLOB_UPLOAD_INVALID", "nothing came for a minute", { status: 408 });
          if (done) return;
          timer.refresh();
          yield value;
        }
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** The whole body. Throws `code` with 413 where it is larger than `limit` bytes. */
export async function wholeBody(request: Request, limit: number): Promise<Buffer> {
  const tooLarge = (): RegistryError =>
    new RegistryError("SIZE_INVALID", `more than ${limit} bytes are not taken`, { status: 413 });
  if (Number(request.headers.get("content-length") ?? 0) > limit) throw tooLarge();
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of bodyOf(request)) {
    size += part.byteLength;
    if (size > limit) throw tooLarge();
    parts.push(part);
  }
  return Buffer.concat(parts);
}
