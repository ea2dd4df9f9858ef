import { createHash, randomBytes } from "node:crypto";
import type { ResponseBody } from "../../../host/http-server.ts";
import { BerthError } from "../../../spec/errors.ts";
import { Cache } from "../cache.ts";
import { uploadOf } from "../keys.ts";
import type { DataStore, Span } from "../types.ts";
import type { S3Client, S3Object } from "./s3-client.ts";

const DATA = "data/";
const SEALED = "sealed/";
const OFFSET_DIGITS = 16;
const PIN_DIGITS = 16;
const MAX_SEAL = 16 * 1024 * 1024;
const SEAL_CACHE_BYTES = 4 * 1024 * 1024;
/** Uploads whose own parts are remembered. */
const MOST_OWN = 1000;
const SMALL_PART = 64 * 1024;

/** One part: an object, and the bytes of the whole that it holds. */
interface Part {
  name: string;
  size: number;
}

/**
 * Data as objects: each piece of an upload is one, `data/UPLOAD/OFFSET-RANDOM`. No multipart uploads of S3: nothing is invisible, a kill loses the last piece at most, and any machine
 * goes on. Machines that write the same offset make two objects, of which the first by name counts until the upload is sealed. Sealing writes down which parts the data
 * is, under an id made of their names: what comes later changes nothing, and two machines that seal the same parts get the same id.
 */
export class S3Data implements DataStore {
  readonly #seals = new Cache<Part[]>(SEAL_CACHE_BYTES);
  readonly #own = new Map<string, Set<string>>();
  /** Bytes that wait in buffers, of all uploads. */
  #buffered = 0;

  constructor(
    private readonly client: S3Client,
    private readonly sizes: { partBytes: number; bufferBytes: number },
  ) {}

  async append(id: string, offset: number, source: AsyncIterable<Uint8Array>): Promise<number> {
    let size = offset;
    let pieces: Uint8Array[] = [];
    let held = 0;
    const flush = async (): Promise<void> => {
      if (held === 0) return;
      const body = Buffer.concat(pieces);
      this.#buffered -= held;
      [pieces, held] = [[], 0];
      await this.#putPart(id, size, body);
      size += body.byteLength;
    };
    try {
      for await (const piece of source) {
        pieces.push(piece);
        held += piece.byteLength;
        this.#buffered += piece.byteLength;
        // Nobody waits for another's buffer: where there are too many bytes in all, parts become smaller.
        const crowded = this.#buffered > this.sizes.bufferBytes && held >= SMALL_PART;
        if (held >= this.sizes.partBytes || crowded) await flush();
      }
    } finally {
      // Also where the source failed: what came is kept for the next request.
      await flush();
    }
    return size;
  }

  async size(id: string): Promise<number | undefined> {
    const parts = await this.#parts(id);
    return parts.length === 0 ? undefined : total(parts);
  }

  async seal(id: string, size: number): Promise<{ data: string; own: boolean }> {
    const parts = await this.#parts(id);
    if (total(parts) !== size) throw new BerthError("unavailable", `upload ${id} was changed by another machine`);
    const own = this.#own.get(id) ?? new Set();
    const text = JSON.stringify(parts);
    const data = `${id}-${createHash("sha256").update(text).digest("hex").slice(0, PIN_DIGITS)}`;
    await this.client.put(SEALED + data, Buffer.from(text));
    return { data, own: parts.every(({ name }) => own.has(name)) };
  }

  async body(id: string, span: Span): Promise<ResponseBody> {
    const source = this.read(id, span);
    // The first piece tells whether it is there, before the answer's head is sent.
    let first: IteratorResult<Uint8Array> | undefined = await source.next();
    return new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const next = first ?? (await source.next());
          first = undefined;
          if (next.done) controller.close();
          else controller.enqueue(next.value);
        },
        cancel: async () => void (await source.return(undefined)),
      },
      { highWaterMark: 0 },
    );
  }

  async *read(id: string, { start, end }: Span): AsyncGenerator<Uint8Array, undefined> {
    let at = 0;
    for (const { name, size } of await this.#parts(id)) {
      const from = Math.max(start - at, 0);
      const to = Math.min(end - at, size);
      at += size;
      if (from < to) yield* this.client.read(DATA + name, { start: from, end: to });
    }
    if (at < end) throw new BerthError("not-found", `data ${id} has ${at} bytes only`);
  }

  async remove(id: string): Promise<void> {
    const upload = uploadOf(id);
    if (id !== upload) {
      await this.client.remove(SEALED + id);
      this.#seals.delete(id);
      // Another seal of the same upload may have these parts as well.
      if ((await this.client.list(`${SEALED}${upload}-`, { limit: 1 })).length > 0) return;
    }
    for (const prefix of [`${SEALED}${upload}-`, `${DATA}${upload}/`])
      for await (const { key } of this.#all(prefix)) await this.client.remove(key);
    this.#own.delete(upload);
  }

  async *list(): AsyncGenerator<{ id: string; modified: number }> {
    for (const root of [SEALED, DATA]) {
      let last: { id: string; modified: number } | undefined;
      for await (const { key, modified } of this.#all(root)) {
        const id = uploadOf(key.slice(root.length));
        if (last && last.id !== id) yield last;
        last = { id, modified: last?.id === id ? Math.max(last.modified, modified) : modified };
      }
      if (last) yield last;
    }
  }

  /** Of sealed data those that were written down; of an upload those that follow each other, the first by name where there are two. */
  async #parts(id: string): Promise<Part[]> {
    if (id !== uploadOf(id)) return this.#sealed(id);
    const parts: Part[] = [];
    let size = 0;
    for await (const object of this.#all(`${DATA}${id}/`)) {
      const name = object.key.slice(DATA.length);
      if (Number(name.slice(id.length + 1, id.length + 1 + OFFSET_DIGITS)) !== size || object.size === 0) continue;
      parts.push({ name, size: object.size });
      size += object.size;
    }
    return parts;
  }

  async #sealed(id: string): Promise<Part[]> {
    const known = this.#seals.get(id);
    if (known) return known;
    const bytes = await this.client.get(SEALED + id, MAX_SEAL);
    if (!bytes) throw new BerthError("not-found", `data ${id} has gone`);
    const parts = JSON.parse(bytes.toString()) as Part[];
    this.#seals.set(id, parts, bytes.byteLength);
    return parts;
  }

  async #putPart(id: string, offset: number, body: Buffer): Promise<void> {
    const name = `${id}/${String(offset).padStart(OFFSET_DIGITS, "0")}-${randomBytes(4).toString("hex")}`;
    await this.client.put(DATA + name, body);
    const own = this.#own.get(id) ?? new Set<string>();
    own.add(name);
    this.#own.delete(id);
    this.#own.set(id, own);
    const [oldest] = this.#own.keys();
    if (this.#own.size > MOST_OWN && oldest !== undefined) this.#own.delete(oldest);
  }

  async *#all(prefix: string): AsyncGenerator<S3Object> {
    for (let after = ""; ; ) {
      const page = await this.client.list(prefix, after === "" ? {} : { after });
      yield* page;
      after = page.at(-1)?.key ?? "";
      if (page.length < 1000) return;
    }
  }
}

function total(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + part.size, 0);
}
