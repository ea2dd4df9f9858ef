import { crc32, inflateRawSync } from "node:zlib";
import { readTar } from "../../../../layer/tar/reader.ts";
import { TAR_END } from "../../../../layer/tar/writer.ts";
import { BerthError } from "../../../../spec/errors.ts";

const FIXED_HEADER = 10;
const TRAILER = 8;
const FHCRC = 2;
const FEXTRA = 4;
const FNAME = 8;
const FCOMMENT = 16;

/**
 * The first gzip member of `bytes` (RFC 1952, section 2.2): its plain bytes, and how many bytes it takes itself. apk's files are several members one after the other,
 * each a part with a meaning of its own. Throws `unavailable` for damage, and for more than `limit` plain bytes.
 */
export function gzipMember(bytes: Buffer, limit: number): { plain: Buffer; length: number } {
  const start = headerLength(bytes);
  const { buffer, engine } = inflate(bytes.subarray(start), limit);
  const end = start + engine.bytesWritten;
  const plain = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.length);
  const isWhole =
    end + TRAILER <= bytes.length &&
    bytes.readUInt32LE(end) === crc32(plain) &&
    bytes.readUInt32LE(end + 4) === plain.length;
  if (!isWhole) throw damaged("a part of it is cut short or changed");
  return { plain, length: end + TRAILER };
}

/** The plain files of a tar segment (one without the blocks that end an archive), at most `limit` bytes in all of them. */
export async function tarFiles(segment: Buffer, limit: number): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  let left = limit;
  for await (const { header, body } of readTar(pieces(segment, TAR_END))) {
    if (header.type !== "file") continue;
    left -= header.size;
    if (left < 0) throw damaged("it is larger than such a file may be");
    const parts: Buffer[] = [];
    for (;;) {
      const piece = await body.next();
      if (!piece) break;
      parts.push(Buffer.from(piece));
    }
    files.set(header.path, Buffer.concat(parts));
  }
  return files;
}

/** The error for a file of a mirror that cannot be what it should be. */
export function damaged(why: string): BerthError {
  return new BerthError("unavailable", `not a file of apk's: ${why}`);
}

function inflate(bytes: Buffer, limit: number): { buffer: Buffer; engine: { bytesWritten: number } } {
  try {
    const options = { info: true, maxOutputLength: limit };
    return inflateRawSync(bytes, options) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
  } catch {
    throw damaged("a part of it is no gzip, or too large");
  }
}

function headerLength(bytes: Buffer): number {
  if (bytes.length < FIXED_HEADER || bytes[0] !== 0x1f || bytes[1] !== 0x8b || bytes[2] !== 8) {
    throw damaged("it is not compressed with gzip");
  }
  const flags = bytes[3] ?? 0;
  let at = FIXED_HEADER;
  if (flags & FEXTRA) at += 2 + (at + 2 <= bytes.length ? bytes.readUInt16LE(at) : 0);
  for (const flag of [FNAME, FCOMMENT]) {
    if (!(flags & flag)) continue;
    const end = bytes.indexOf(0, at);
    if (end < 0) throw damaged("its header has no end");
    at = end + 1;
  }
  return at + (flags & FHCRC ? 2 : 0);
}

async function* pieces(...parts: Buffer[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}
