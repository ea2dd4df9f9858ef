import { decodeName } from "../../spec/names.ts";
import { badTar, quoted } from "./error.ts";
import {
  BLOCK,
  idOf,
  isZeroBlock,
  parseHeader,
  type RawHeader,
  sizeOf,
  type TarHeader,
  type TarType,
} from "./header.ts";
import { ByteInput, type SeekableStream } from "./input.ts";
import { decodeXattr, type PaxRecord, parsePax, paxInteger, paxTime } from "./pax.ts";
import { checkMap, paxMap, readMap10, readOldGnuMap, type Segment, type SparseMap } from "./sparse.ts";

/** Bytes of extensions (PAX records, long names) that one entry may have, and the archive's global header. */
const MAX_EXTENSIONS = 1 << 20;
const XATTR = "SCHILY.xattr.";
const EMPTY = Buffer.alloc(0);

const TYPES: Record<string, TarType> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  S: "file",
  "1": "link",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "dir",
  D: "dir",
  "6": "fifo",
};

/** One entry. Its body is readable until the next entry is asked for; what is left unread then is passed over. */
export interface TarEntry {
  header: TarHeader;
  body: TarBody;
  /** Where in the stream the body begins. */
  offset: number;
  /** Where the body's bytes go; absent: they are the whole file. */
  segments?: Segment[];
}

/** The bytes of one entry as they stand in the archive. */
export class TarBody {
  /** Bytes not yet read. */
  left: number;
  readonly #input: ByteInput;

  constructor(input: ByteInput, size: number) {
    this.#input = input;
    this.left = size;
  }

  /** The next piece: at once where it is at hand, else a promise; undefined at the end. A view, valid until the next call. */
  next(): Buffer | undefined | Promise<Buffer | undefined> {
    if (this.left === 0) return undefined;
    const piece = this.#input.take(this.left);
    if (piece.length === 0) return this.#wait();
    this.left -= piece.length;
    return piece;
  }

  async #wait(): Promise<Buffer | undefined> {
    if (!(await this.#input.more())) throw badTar("it ends in the middle of a file");
    return this.next();
  }
}

interface Extensions {
  records: PaxRecord[];
  longPath?: string;
  longLink?: string;
  bytes: number;
}

/**
 * The entries of a tar stream: v7, ustar, PAX, GNU and star. The stream is read to its very end, also behind the archive's end, so that
 * a digest of it is whole. Bodies of a stream that can seek are passed over without being read. Throws `invalid-argument` for whatever is not a well-formed archive.
 */
export async function* readTar(
  source: AsyncIterable<Uint8Array> | SeekableStream,
): AsyncGenerator<TarEntry, void, void> {
  const input = new ByteInput(source);
  const global: Extensions = { records: [], bytes: 0 };
  try {
    for (;;) {
      const found = await nextHeader(input, global);
      if (!found) break;
      const waited = makeEntry(input, found);
      const entry = waited instanceof Promise ? await waited : waited;
      yield entry;
      // The last entry may lack its padding: Go's archives that were never closed do, those of the docker command line among them.
      const spare = padding(found.raw.size % BLOCK);
      const rest = entry.body.left + spare;
      if (rest > 0) await input.skip(rest, spare);
    }
    await input.drain();
  } finally {
    await input.close();
  }
}

function padding(over: number): number {
  return over === 0 ? 0 : BLOCK - over;
}

interface Found {
  block: Buffer;
  raw: RawHeader;
  ext: Extensions;
}

/** The next real header with its extensions collected; undefined at the archive's end. */
async function nextHeader(input: ByteInput, global: Extensions): Promise<Found | undefined> {
  const ext: Extensions = { records: [...global.records], bytes: 0 };
  for (;;) {
    const first = ext.bytes === 0;
    const waited = input.exact(BLOCK, first);
    const block = waited instanceof Promise ? await waited : waited;
    if (!block) return undefined;
    if (block[0] === 0 && isZeroBlock(block)) {
      if (!first) throw badTar("it ends after an extended header");
      const second = await input.exact(BLOCK, true);
      if (second && !isZeroBlock(second)) throw badTar("a single block of zeros stands between entries");
      return undefined;
    }
    const raw = parseHeader(block);
    if (!"xXgLKV".includes(raw.typeflag)) return { block, raw, ext };
    await addExtension(input, raw, { ext, global });
  }
}

async function addExtension(
  input: ByteInput,
  raw: RawHeader,
  to: { ext: Extensions; global: Extensions },
): Promise<void> {
  const target = raw.typeflag === "g" ? to.global : to.ext;
  target.bytes += raw.size + BLOCK;
  if (target.bytes > MAX_EXTENSIONS) throw badTar(`an entry's extended headers have more than ${MAX_EXTENSIONS} bytes`);
  const body = (await input.exact(raw.size)) ?? EMPTY;
  switch (raw.typeflag) {
    case "x":
    case "X":
      to.ext.records.push(...parsePax(body));
      break;
    case "g":
      to.global.records.push(...parsePax(body));
      to.ext.records = [...to.global.records, ...to.ext.records];
      break;
    case "L":
      to.ext.longPath = longName(body);
      break;
    case "K":
      to.ext.longLink = longName(body);
      break;
  }
  await input.skip(padding(raw.size % BLOCK));
}

function longName(body: Buffer): string {
  const zero = body.indexOf(0);
  return decodeName(zero < 0 ? body : body.subarray(0, zero));
}

/** `raw.size` becomes the number of bytes that the archive holds of it. */
function makeEntry(input: ByteInput, { block, raw, ext }: Found): TarEntry | Promise<TarEntry> {
  let type = TYPES[raw.typeflag];
  if (!type) throw badTar(`entry ${quoted(raw.path)} has the unknown type ${quoted(raw.typeflag)}`);
  const header: TarHeader = { ...raw, type, mtimeSec: raw.mtime, mtimeNsec: 0, size: 0 };
  const facts = ext.records.length > 0 ? applyPax(header, raw, ext.records) : {};
  if (ext.longPath !== undefined) header.path = ext.longPath;
  if (ext.longLink !== undefined) header.link = ext.longLink;
  if (raw.typeflag === "\0" && header.path.endsWith("/")) type = header.type = "dir";
  if (header.path.includes("\0") || header.link.includes("\0")) throw badTar("a name holds a zero byte");
  // Only files have bodies; other types' sizes mean nothing, but for GNU's dump directories.
  if (type !== "file" && raw.typeflag !== "D") raw.size = 0;
  header.size = type === "file" ? raw.size : 0;
  if (facts.name !== undefined) header.path = facts.name;
  if (type === "file" && (raw.typeflag === "S" || facts.major === 1 || facts.size !== undefined)) {
    return withMap({ input, block, raw, header, ext, facts });
  }
  return { header, offset: input.position, body: new TarBody(input, raw.size) };
}

interface SparseFacts {
  name?: string;
  size?: number;
  major?: number;
}

interface MapContext {
  input: ByteInput;
  block: Buffer;
  raw: RawHeader;
  header: TarHeader;
  ext: Extensions;
  facts: SparseFacts;
}

async function withMap({ input, block, raw, header, ext, facts }: MapContext): Promise<TarEntry> {
  let map: SparseMap | undefined;
  let stored = raw.size;
  if (raw.typeflag === "S") {
    map = await readOldGnuMap(block, input);
  } else if (facts.major === 1) {
    const { segments, used } = await readMap10(input, raw.size);
    stored -= used;
    map = { segments, realSize: facts.size ?? 0 };
  } else if (facts.size !== undefined) {
    map = paxMap(ext.records, facts.size);
  }
  const offset = input.position;
  if (!map) return { header, offset, body: new TarBody(input, stored) };
  checkMap(map, stored);
  header.size = map.realSize;
  return { header, offset, body: new TarBody(input, stored), segments: map.segments };
}

/** Merges records into the header, the last of a key first in rank, an empty value taking the key back; GNU's sparse keys come back apart. */
function applyPax(header: TarHeader, raw: RawHeader, records: readonly PaxRecord[]): SparseFacts {
  const last = new Map<string, Buffer>();
  for (const { key, value } of records) {
    if (value.length > 0 || key.startsWith(XATTR)) last.set(key, value);
    else last.delete(key);
  }
  const sparse: SparseFacts = {};
  for (const [key, value] of last) {
    if (key.startsWith(XATTR)) {
      header.xattrs ??= new Map();
      header.xattrs.set(decodeXattr(key.slice(XATTR.length)), value);
    } else applyRecord(key, value, { header, raw, sparse });
  }
  return sparse;
}

function applyRecord(key: string, value: Buffer, to: { header: TarHeader; raw: RawHeader; sparse: SparseFacts }): void {
  const { header, raw, sparse } = to;
  switch (key) {
    case "path":
      header.path = decodeName(value);
      break;
    case "linkpath":
      header.link = decodeName(value);
      break;
    case "size":
      raw.size = sizeOf(paxInteger(key, value));
      break;
    case "uid":
      header.uid = idOf(paxInteger(key, value));
      break;
    case "gid":
      header.gid = idOf(paxInteger(key, value));
      break;
    case "mtime": {
      const { sec, nsec } = paxTime(key, value);
      header.mtimeSec = sec;
      header.mtimeNsec = nsec;
      break;
    }
    case "GNU.sparse.name":
      sparse.name = decodeName(value);
      break;
    case "GNU.sparse.size":
    case "GNU.sparse.realsize":
      sparse.size = sizeOf(paxInteger(key, value));
      break;
    case "GNU.sparse.major":
      sparse.major = paxInteger(key, value);
      break;
  }
}
