import { encodeName } from "../../spec/names.ts";

const BLOCK = 512;
const NAME_MAX = 100;
const LINKNAME_AT = 157;
const OCTAL_SIZE_MAX = 8 ** 11 - 1;

/** One entry of the archive; everything belongs to root. Names as `decodeName` gives them. `size` bytes of `body` follow a file's header. */
export interface TarEntry {
  name: string;
  type: keyof typeof TYPE_FLAGS;
  size: number;
  mode: number;
  /** Seconds since 1970. */
  mtime: number;
  linkname?: string;
  body?: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

const TYPE_FLAGS = {
  file: "0",
  link: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
  pax: "x",
};

/** A tar stream (POSIX.1-2001: ustar headers, pax records for what they cannot hold). It goes as fast as it is read. */
export async function* tarStream(entries: AsyncIterable<TarEntry>): AsyncGenerator<Uint8Array> {
  for await (const entry of entries) {
    const records = paxRecords(entry);
    if (records.length > 0) {
      yield header({ name: "PaxHeader", type: "pax", size: records.length, mode: 0o644, mtime: 0 });
      yield padded(records);
    }
    yield header(entry);
    if (entry.body) yield* entry.body;
    yield new Uint8Array((BLOCK - (entry.size % BLOCK)) % BLOCK);
  }
  yield new Uint8Array(2 * BLOCK);
}

function padded(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil(data.length / BLOCK) * BLOCK);
  out.set(data);
  return out;
}

const fits = (text: string): boolean => encodeName(text).length <= NAME_MAX;

function paxRecords(entry: TarEntry): Uint8Array {
  const records: Buffer[] = [];
  if (!fits(entry.name)) records.push(record("path", entry.name));
  if (entry.linkname !== undefined && !fits(entry.linkname)) records.push(record("linkpath", entry.linkname));
  if (entry.size > OCTAL_SIZE_MAX) records.push(record("size", String(entry.size)));
  return Buffer.concat(records);
}

/** `LENGTH key=value\n`, where the length counts its own digits too. */
function record(key: string, value: string): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), encodeName(value), Buffer.from("\n")]);
  let length = rest.length + String(rest.length).length;
  if (rest.length + String(length).length !== length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, "0")}\0`;

function header(entry: TarEntry): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  encodeName(entry.name).copy(block, 0, 0, NAME_MAX);
  block.write(octal(entry.mode, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(entry.size > OCTAL_SIZE_MAX ? 0 : entry.size, 12), 124);
  block.write(octal(Math.max(0, entry.mtime), 12), 136);
  block.write("        ", 148);
  block.write(TYPE_FLAGS[entry.type], 156);
  encodeName(entry.linkname ?? "").copy(block, LINKNAME_AT, 0, NAME_MAX);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}
