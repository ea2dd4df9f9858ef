import { closeSync, mkdirSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { fsyncPath } from "../../../host/files.ts";
import { fileBody, type ResponseBody } from "../../../host/http-server.ts";
import { BerthError, fromErrno } from "../../../spec/errors.ts";
import type { DataStore, Span } from "../types.ts";
import type { Reserve } from "./reserve.ts";

const CHUNK = 1024 * 1024;
const ID = /^[a-z0-9-]{2,}$/;

/** Data in files, `<root>/<first two digits>/<id>`. */
export class FileData implements DataStore {
  constructor(
    private readonly root: string,
    private readonly reserve?: Reserve,
  ) {}

  async append(id: string, offset: number, source: AsyncIterable<Uint8Array>): Promise<number> {
    const path = this.#path(id);
    if (offset === 0) mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
    let fd: number;
    try {
      fd = openSync(path, "a", 0o600);
    } catch (error) {
      throw fromErrno(error, `upload ${id}`);
    }
    let size = offset;
    try {
      for await (const chunk of source) {
        // The page cache takes it: a thread for each piece costs more than it saves.
        for (let done = 0; done < chunk.byteLength; ) done += writeSync(fd, chunk, done);
        size += chunk.byteLength;
      }
      return size;
    } catch (error) {
      if (error instanceof BerthError || !(error as { syscall?: string }).syscall) throw error;
      throw fromErrno(error, `upload ${id}`);
    } finally {
      closeSync(fd);
    }
  }

  async size(id: string): Promise<number | undefined> {
    return statSync(this.#path(id), { throwIfNoEntry: false })?.size;
  }

  async seal(id: string, size: number): Promise<{ data: string; own: boolean }> {
    const path = this.#path(id);
    await using file: FileHandle = await open(path, "r");
    if ((await file.stat()).size !== size) throw new BerthError("internal", `upload ${id} changed while it was sealed`);
    await file.sync();
    fsyncPath(join(path, ".."));
    return { data: id, own: true };
  }

  async body(id: string, span: Span): Promise<ResponseBody> {
    const path = this.#path(id);
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) throw new BerthError("not-found", `data ${id} has gone`);
    if (found.size < span.end) throw new BerthError("internal", `data ${id} is damaged: it has ${found.size} bytes`);
    return fileBody(path, span);
  }

  async *read(id: string, { start, end }: Span): AsyncGenerator<Uint8Array> {
    const fd = openSync(this.#path(id), "r");
    try {
      for (let at = start; at < end; ) {
        const chunk = Buffer.allocUnsafe(Math.min(CHUNK, end - at));
        const n = readSync(fd, chunk, 0, chunk.byteLength, at);
        if (n === 0) throw new BerthError("internal", `data ${id} ends after ${at} bytes`);
        at += n;
        yield chunk.subarray(0, n);
      }
    } finally {
      closeSync(fd);
    }
  }

  async remove(id: string): Promise<void> {
    rmSync(this.#path(id), { force: true });
    this.reserve?.fill();
  }

  async *list(): AsyncGenerator<{ id: string; modified: number }> {
    for (const folder of readdirSync(this.root)) {
      for (const id of readdirSync(join(this.root, folder))) {
        const found = ID.test(id) && statSync(join(this.root, folder, id), { throwIfNoEntry: false });
        if (found) yield { id, modified: found.mtimeMs };
      }
    }
  }

  #path(id: string): string {
    if (!ID.test(id)) throw new BerthError("invalid-argument", `invalid id ${JSON.stringify(id.slice(0, 50))}`);
    return join(this.root, id.slice(0, 2), id);
  }
}
