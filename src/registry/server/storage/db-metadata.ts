import type { Db } from "../../../host/db.ts";
import { isKind } from "../../../spec/errors.ts";
import type { Change, Entry, Metadata } from "../types.ts";
import type { Reserve } from "./reserve.ts";

const MOST = 1000;
const SCHEMA = 1;

interface Row {
  key: string;
  modified: number;
}

/** Records in SQLite: one transaction a write, in order of keys, read where they lie. Every call is done before it returns its promise, so nothing comes between. */
export class DbMetadata implements Metadata {
  constructor(
    private readonly db: Db,
    private readonly reserve?: Reserve,
  ) {
    db.exec(
      "CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, modified INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID",
    );
    db.exec(`PRAGMA user_version=${SCHEMA}`);
  }

  async get(key: string): Promise<Buffer | undefined> {
    const [row] = this.db.all<{ value: Uint8Array }>("SELECT value FROM records WHERE key = ?", key);
    return row && Buffer.from(row.value.buffer, row.value.byteOffset, row.value.byteLength);
  }

  async list(prefix: string, { after = "", limit = MOST }: { after?: string; limit?: number } = {}): Promise<Entry[]> {
    return this.db.all<Row>(
      "SELECT key, modified FROM records WHERE key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?",
      after,
      prefix,
      `${prefix}\u{10ffff}`,
      limit,
    );
  }

  async write(changes: readonly Change[], { volatile = false }: { volatile?: boolean } = {}): Promise<void> {
    if (changes.length === 0) return;
    const all = (): void =>
      this.db.transaction(() => {
        for (const change of changes) this.#apply(change);
      });
    const write = (): void => (volatile ? this.db.unsynced(all) : all());
    try {
      write();
    } catch (error) {
      // What removes is the way out of a full disk, and writes first.
      const removes = changes.every((change) => "remove" in change);
      if (!removes || !isKind(error, "no-space") || !this.reserve?.release()) throw error;
      write();
    }
  }

  async create(key: string, value: Uint8Array | string): Promise<boolean> {
    return this.db.transaction(() => {
      if (this.db.all("SELECT 1 FROM records WHERE key = ?", key).length > 0) return false;
      this.#apply({ put: key, value });
      return true;
    });
  }

  #apply(change: Change): void {
    if ("remove" in change) this.db.run("DELETE FROM records WHERE key = ?", change.remove);
    else
      this.db.run(
        "INSERT OR REPLACE INTO records (key, modified, value) VALUES (?, ?, ?)",
        change.put,
        Date.now(),
        typeof change.value === "string" ? Buffer.from(change.value) : change.value,
      );
  }
}
