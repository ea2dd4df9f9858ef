import type { PackedContext } from "./context.ts";

const MAX_DOCKERFILE = 1024 * 1024;
const TAR_MAGIC_AT = 257;

function isArchive(head: Uint8Array): boolean {
  const bytes = Buffer.from(head);
  const starts = (...magic: number[]): boolean => magic.every((b, i) => bytes[i] === b);
  return (
    bytes.toString("latin1", TAR_MAGIC_AT, TAR_MAGIC_AT + 5) === "ustar" ||
    starts(0x1f, 0x8b) ||
    starts(0x28, 0xb5, 0x2f, 0xfd) ||
    starts(0xfd, 0x37, 0x7a, 0x58, 0x5a) ||
    starts(0x42, 0x5a, 0x68)
  );
}

/** The context `-`: an archive (plain, gzip, zstd, xz or bzip2) is passed on as it is, anything else is a Dockerfile. */
export async function contextFromStdin(
  input: AsyncIterable<Uint8Array>,
  dockerfile: string,
): Promise<PackedContext | { text: Uint8Array }> {
  const reader = input[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let size = 0;
  let ended = false;
  while (!ended && size < 512) {
    const part = await reader.next();
    ended = part.done === true;
    if (!part.done) {
      head.push(part.value);
      size += part.value.length;
    }
  }
  const rest = { [Symbol.asyncIterator]: () => reader };
  if (isArchive(Buffer.concat(head)))
    return { tar: joined(head, ended ? [] : rest), dockerfile: dockerfile || "Dockerfile" };
  return { text: await readAll(joined(head, ended ? [] : rest)) };
}

async function* joined(
  head: readonly Uint8Array[],
  rest: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield* head;
  yield* rest;
}

/** A whole Dockerfile; throws above 1 MiB. */
export async function readAll(input: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of input) {
    parts.push(part);
    size += part.length;
    if (size > MAX_DOCKERFILE) throw new Error("the Dockerfile on standard input is larger than 1 MiB");
  }
  return Buffer.concat(parts);
}
