import { decodeName } from "../../spec/names.ts";
import { badTar } from "./error.ts";

/** Bytes of one tar block. */
export const BLOCK = 512;

/** What an entry makes. `link` is a hard link. */
export type TarType = "file" | "link" | "symlink" | "char" | "block" | "dir" | "fifo";

/** One entry of an archive, extensions merged. Times in seconds and nanoseconds since 1970, may be negative. */
export interface TarHeader {
  type: TarType;
  /** As written: may be absolute, climb or end in a slash. */
  path: string;
  /** Target of a hard or symbolic link, else empty. */
  link: string;
  /** Permission bits with setuid, setgid and sticky; no type. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of the file once unpacked (a sparse file's holes included). */
  size: number;
  mtimeSec: number;
  mtimeNsec: number;
  major: number;
  minor: number;
  /** By full name (`security.capability`). */
  xattrs?: Map<string, Buffer>;
}

/** A header block as it stands, before extensions. `size` is what follows in the archive. */
export interface RawHeader {
  typeflag: string;
  path: string;
  link: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  major: number;
  minor: number;
}

const SPACE = 32;
const ZERO = 48;
const CHECKSUM_AT = 148;
const CHECKSUM_END = 156;

/** True for a block of zeros: half of an archive's end (POSIX.1-2017, pax, "ustar Interchange Format"). */
export function isZeroBlock(block: Buffer): boolean {
  for (let i = 0; i < BLOCK; i += 1) if (block[i] !== 0) return false;
  return true;
}

/** Reads one header block: v7, ustar, GNU and star. Throws `invalid-argument` where the checksum or a number is wrong. */
export function parseHeader(block: Buffer): RawHeader {
  verifyChecksum(block);
  const magic = block.toString("latin1", 257, 265);
  const known = magic.startsWith("ustar");
  const path = fieldText(block, 0, 100);
  const prefix = magic.startsWith("ustar\0") ? fieldText(block, 345, isStar(block) ? 131 : 155) : "";
  return {
    typeflag: String.fromCharCode(block[156] ?? 0),
    path: prefix ? `${prefix}/${path}` : path,
    link: fieldText(block, 157, 100),
    mode: fieldNumber(block, 100, 8) & 0o7777,
    uid: idOf(fieldNumber(block, 108, 8)),
    gid: idOf(fieldNumber(block, 116, 8)),
    size: sizeOf(fieldNumber(block, 124, 12)),
    mtime: fieldNumber(block, 136, 12),
    major: known ? fieldNumber(block, 329, 8) : 0,
    minor: known ? fieldNumber(block, 337, 8) : 0,
  };
}

/** A number field: octal text, or base 256 (two's complement) where the first byte's high bit is set (GNU tar, "Extensions"). */
export function fieldNumber(block: Buffer, at: number, length: number): number {
  if ((block[at] ?? 0) & 0x80) return base256(block, at, length);
  const value = octal(block, at, length);
  if (Number.isNaN(value)) {
    throw badTar(`a header's number field holds ${JSON.stringify(block.toString("latin1", at, at + length))}`);
  }
  return value;
}

/** `n` as a size in bytes; negative or beyond 2^53 throws. */
export function sizeOf(n: number): number {
  if (Number.isSafeInteger(n) && n >= 0) return n;
  throw badTar(`an entry's size of ${n} bytes is out of range`);
}

/** `n` as a user or group id; anything but 0 to 2^32-2 throws. */
export function idOf(n: number): number {
  if (Number.isInteger(n) && n >= 0 && n < 0xffff_ffff) return n;
  throw badTar(`an entry's owner id ${n} is out of range`);
}

function verifyChecksum(block: Buffer): void {
  let sum = 8 * SPACE;
  let high = 0;
  for (let i = 0; i < BLOCK; i += 1) {
    if (i === CHECKSUM_AT) i = CHECKSUM_END;
    const byte = block[i] ?? 0;
    sum += byte;
    if (byte > 127) high += 1;
  }
  const stored = octal(block, CHECKSUM_AT, 8);
  // Some old tars summed signed bytes (POSIX leaves readers to accept both).
  if (stored !== sum && stored !== sum - 256 * high) throw badTar("a header's checksum is wrong");
}

/** Octal digits, blanks and zero bytes around them; NaN for anything else. */
function octal(block: Buffer, at: number, length: number): number {
  const end = at + length;
  let i = at;
  while (i < end && (block[i] === SPACE || block[i] === 0)) i += 1;
  let value = 0;
  for (; i < end; i += 1) {
    const c = block[i] ?? 0;
    if (c === SPACE || c === 0) break;
    if (c < ZERO || c > ZERO + 7) return Number.NaN;
    value = value * 8 + (c - ZERO);
  }
  return value;
}

function isStar(block: Buffer): boolean {
  return block.toString("latin1", 508, 512) === "tar\0";
}

function fieldText(block: Buffer, at: number, length: number): string {
  if (block[at] === 0) return "";
  const zero = block.indexOf(0, at);
  return decodeName(block.subarray(at, zero < 0 ? at + length : Math.min(zero, at + length)));
}

function base256(block: Buffer, at: number, length: number): number {
  const first = block[at] ?? 0;
  const negative = (first & 0x40) !== 0;
  let value = negative ? (first & 0x7f) - 128 : first & 0x7f;
  for (let i = at + 1; i < at + length; i += 1) value = value * 256 + (block[i] ?? 0);
  if (!Number.isSafeInteger(value)) throw badTar("a header's number is out of range");
  return value;
}
