import { badTar } from "./error.ts";
import { BLOCK, fieldNumber, sizeOf } from "./header.ts";
import type { ByteInput } from "./input.ts";
import { type PaxRecord, paxInteger } from "./pax.ts";

/** A run of data in a sparse file; all else is a hole. Bytes. */
export interface Segment {
  offset: number;
  length: number;
}

/** The map of a sparse file and its size with holes. */
export interface SparseMap {
  segments: Segment[];
  realSize: number;
}

/** Keeps a hostile map from filling memory; 250,000 runs of data is far beyond real files. */
const MAX_SEGMENTS = 250_000;

/** The map in an old GNU header (typeflag S) and its extension blocks (GNU tar manual, "Old GNU Format"). */
export async function readOldGnuMap(block: Buffer, input: ByteInput): Promise<SparseMap> {
  const segments: Segment[] = [];
  addPairs(segments, block, { at: 386, count: 4 });
  const realSize = sizeOf(fieldNumber(block, 483, 12));
  let extended = block[482];
  while (extended) {
    const next = await input.exact(BLOCK);
    if (!next) break;
    addPairs(segments, next, { at: 0, count: 21 });
    extended = next[504];
  }
  return { segments, realSize };
}

function addPairs(segments: Segment[], block: Buffer, where: { at: number; count: number }): void {
  for (let i = 0; i < where.count; i += 1) {
    const at = where.at + i * 24;
    if (block[at] === 0 && block[at + 12] === 0) return;
    add(segments, fieldNumber(block, at, 12), fieldNumber(block, at + 12, 12));
  }
}

/** The map in extended headers of formats 0.0 and 0.1, or undefined where there is none (GNU tar manual, "PAX Formats"). */
export function paxMap(records: readonly PaxRecord[], size: number): SparseMap | undefined {
  const segments: Segment[] = [];
  let offset: number | undefined;
  let found = false;
  for (const { key, value } of records) {
    if (key === "GNU.sparse.offset") offset = paxInteger(key, value);
    if (key === "GNU.sparse.numbytes") add(segments, offset ?? 0, paxInteger(key, value));
    if (key === "GNU.sparse.map" && value.length > 0) addList(segments, value.toString("latin1").split(","));
    if (key === "GNU.sparse.numblocks" || key === "GNU.sparse.map") found = true;
  }
  return found ? { segments, realSize: size } : undefined;
}

/** The map of format 1.0: decimal lines before the data, padded to a block. Returns how many bytes of the body it took. */
export async function readMap10(input: ByteInput, stored: number): Promise<{ segments: Segment[]; used: number }> {
  let text = "";
  let used = 0;
  let newlines = 0;
  let wanted = 1;
  while (newlines < wanted) {
    if (used + BLOCK > stored || wanted > 2 * MAX_SEGMENTS + 1) throw badTar("a sparse file's map is malformed");
    const block = await input.exact(BLOCK);
    const piece = block?.toString("latin1") ?? "";
    used += BLOCK;
    text += piece;
    newlines += piece.split("\n").length - 1;
    if (wanted === 1 && newlines > 0) wanted = 1 + 2 * number(text.slice(0, text.indexOf("\n")));
  }
  const segments: Segment[] = [];
  addList(segments, text.split("\n").slice(1, wanted));
  return { segments, used };
}

/** Throws where the runs overlap, go back, pass the end of the file, or do not add up to what the archive holds. */
export function checkMap(map: SparseMap, stored: number): void {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of map.segments) {
    if (offset < end) throw badTar("a sparse file's map overlaps itself");
    end = offset + length;
    sum += length;
  }
  if (end > map.realSize || sum !== stored) throw badTar("a sparse file's map does not fit its data");
}

function addList(segments: Segment[], numbers: string[]): void {
  if (numbers.length % 2 !== 0) throw badTar("a sparse file's map is malformed");
  for (let i = 0; i < numbers.length; i += 2) add(segments, number(numbers[i]), number(numbers[i + 1]));
}

function add(segments: Segment[], offset: number, length: number): void {
  if (segments.length >= MAX_SEGMENTS) throw badTar(`a sparse file has more than ${MAX_SEGMENTS} runs of data`);
  segments.push({ offset: sizeOf(offset), length: sizeOf(length) });
}

function number(text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw badTar("a sparse file's map is malformed");
  return Number(text);
}
