import type { Change, Entry, Metadata } from "../types.ts";
import type { S3Client } from "./s3-client.ts";

const ROOT = "records/";
const MAX_RECORD = 8 * 1024 * 1024;

/** Records as objects, one each. The store lists what has been written as soon as the write has returned, which is all that is relied on. */
export class S3Metadata implements Metadata {
  constructor(
    private readonly client: S3Client,
    private readonly atomic: boolean,
  ) {}

  get(key: string): Promise<Buffer | undefined> {
    return this.client.get(ROOT + key, MAX_RECORD);
  }

  async list(prefix: string, { after, limit = 1000 }: { after?: string; limit?: number } = {}): Promise<Entry[]> {
    const options = { limit, ...(after ? { after: ROOT + after } : {}) };
    const found = await this.client.list(ROOT + prefix, options);
    return found.map(({ key, modified }) => ({ key: key.slice(ROOT.length), modified }));
  }

  async write(changes: readonly Change[]): Promise<void> {
    for (const change of changes) {
      if ("remove" in change) await this.client.remove(ROOT + change.remove);
      else await this.client.put(ROOT + change.put, Buffer.from(change.value));
    }
  }

  async create(key: string, value: Uint8Array | string): Promise<boolean> {
    if (this.atomic) return this.client.putNew(ROOT + key, Buffer.from(value));
    if (await this.get(key)) return false;
    await this.write([{ put: key, value }]);
    return true;
  }
}
