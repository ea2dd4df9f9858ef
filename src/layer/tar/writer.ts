import { encodeName } from "../../spec/names.ts";
import { BLOCK, type TarHeader, type TarType } from "./header.ts";
import { encodeXattr, paxRecord } from "./pax.ts";

/** The two blocks of zeros that end an archive. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK);

/** One entry to be written. A body has exactly `header.size` bytes. */
export interface TarItem {
  header: TarHeader;
  body?: Uint8Array | AsyncIterable<Uint8Array>;
}

const FLAGS: Record<TarType, string> = {
  file: "0",
  link: "1",
  symlink: "2",
  char: "3",
  block: "4",
  dir: "5",
  fifo: "6",
};
const MAX_OCTAL_11 = 0o77777777777;
const MAX_OCTAL_7 = 0o7777777;
const ASCII = /^[\x20-\x7e]*$/;

/** A header with the given parts, the rest as of a file of no bytes that root owns, mode 0644, made in 1970. */
export function tarHeader(parts: Partial<TarHeader> & { path: string }): TarHeader {
  const rest = { type: "file" as const, link: "", mode: 0o644, uid: 0, gid: 0, size: 0 };
  return { ...rest, mtimeSec: 0, mtimeNsec: 0, major: 0, minor: 0, ...parts };
}

/**
 * The blocks before an entry's body: a ustar header, after a PAX one only where ustar cannot say it all (long or non-ASCII names, big numbers,
 * fractions of seconds, attributes). The same header always gives the same bytes; no user or group names.
 */
export function encodeHeader(header: TarHeader): Buffer {
  const path = header.type === "dir" && !header.path.endsWith("/") ? `${header.path}/` : header.path;
  const records = extensions(header, path);
  const own = block(header, path, FLAGS[header.type]);
  if (records.length === 0) return own;
  const data = Buffer.concat(records);
  const pax = block(tarHeader({ path: "PaxHeader", size: data.length }), "PaxHeader", "x");
  return Buffer.concat([pax, data, Buffer.alloc(paddingOf(data.length)), own]);
}

/** Zero bytes that follow a body of `size` bytes. */
export function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** An archive of the items, in their order. Throws where a body does not have the size its header says. */
export async function* writeTar(
  items: AsyncIterable<TarItem> | Iterable<TarItem>,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const { header, body } of items) {
    yield encodeHeader(header);
    let written = 0;
    for await (const piece of body instanceof Uint8Array ? [body] : (body ?? [])) {
      written += piece.length;
      if (written > header.size) break;
      yield piece;
    }
    if (written !== header.size) throw new Error(`tar entry ${header.path}: body and header differ in size`);
    if (paddingOf(header.size) > 0) yield Buffer.alloc(paddingOf(header.size));
  }
  yield TAR_END;
}

function extensions(header: TarHeader, path: string): Buffer[] {
  const out: Buffer[] = [];
  if (!fits(path)) out.push(paxRecord("path", path));
  if (!fits(header.link)) out.push(paxRecord("linkpath", header.link));
  if (header.size > MAX_OCTAL_11) out.push(paxRecord("size", String(header.size)));
  if (header.uid > MAX_OCTAL_7) out.push(paxRecord("uid", String(header.uid)));
  if (header.gid > MAX_OCTAL_7) out.push(paxRecord("gid", String(header.gid)));
  if (header.mtimeNsec !== 0 || header.mtimeSec < 0 || header.mtimeSec > MAX_OCTAL_11) {
    out.push(paxRecord("mtime", timeText(header.mtimeSec, header.mtimeNsec)));
  }
  for (const name of [...(header.xattrs?.keys() ?? [])].sort()) {
    out.push(paxRecord(`SCHILY.xattr.${encodeXattr(name)}`, header.xattrs?.get(name) ?? ""));
  }
  return out;
}

function fits(name: string): boolean {
  return name.length <= 100 && ASCII.test(name);
}

function timeText(sec: number, nsec: number): string {
  if (nsec === 0) return String(sec);
  const [whole, part, sign] = sec < 0 ? [-sec - 1, 1e9 - nsec, "-"] : [sec, nsec, ""];
  return `${sign}${whole}.${String(part).padStart(9, "0").replace(/0+$/, "")}`;
}

function block(header: TarHeader, path: string, flag: string): Buffer {
  const b = Buffer.alloc(BLOCK);
  text(b, 0, path);
  octal(b, 100, { digits: 7, value: header.mode });
  octal(b, 108, { digits: 7, value: header.uid > MAX_OCTAL_7 ? 0 : header.uid });
  octal(b, 116, { digits: 7, value: header.gid > MAX_OCTAL_7 ? 0 : header.gid });
  octal(b, 124, { digits: 11, value: header.size > MAX_OCTAL_11 ? 0 : header.size });
  const plainTime = header.mtimeSec >= 0 && header.mtimeSec <= MAX_OCTAL_11;
  octal(b, 136, { digits: 11, value: plainTime ? header.mtimeSec : 0 });
  b.write(flag, 156, "latin1");
  text(b, 157, header.link);
  b.write("ustar\u000000", 257, "latin1");
  octal(b, 329, { digits: 7, value: header.major });
  octal(b, 337, { digits: 7, value: header.minor });
  b.fill(" ", 148, 156);
  let sum = 0;
  for (const byte of b) sum += byte;
  octal(b, 148, { digits: 6, value: sum });
  b[154] = 0;
  return b;
}

function text(b: Buffer, at: number, value: string): void {
  encodeName(value).copy(b, at, 0, 100);
}

function octal(b: Buffer, at: number, field: { digits: number; value: number }): void {
  b.write(field.value.toString(8).padStart(field.digits, "0"), at, "latin1");
}
