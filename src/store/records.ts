import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { type Db, openDb } from "../host/db.ts";
import { BerthError, messageOf } from "../spec/errors.ts";
import type { Records, Table, TableName } from "./types.ts";

/** Migrations in order: number n brings a database from schema version n to n+1. A released one never changes; a new schema is a new entry. */
const MIGRATIONS: ((db: Db) => void)[] = [
  (db) => {
    const tables: TableName[] = [
      "containers",
      "images",
      "tags",
      "layers",
      "networks",
      "endpoints",
      "volumes",
      "buildcache",
      "meta",
    ];
    for (const name of tables) db.exec(`CREATE TABLE ${name} (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)`);
  },
];

/**
 * Opens the records at `path`, an SQLite file, and brings an older schema up to date in one transaction. Values that `get` and `entries`
 * return are frozen copies: to change a record, `put` a new value. Throws `conflict` where another daemon has them open or their schema is newer
 * than this program's, `internal` where the file is damaged.
 */
export function openRecords(path: string): Records {
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  const db = openDb(path);
  try {
    migrate(db, path);
  } catch (error) {
    db.close();
    throw error;
  }
  return new SqliteRecords(db, path);
}

function migrate(db: Db, path: string): void {
  const version = db.all<{ user_version: number }>("PRAGMA user_version")[0]?.user_version ?? 0;
  if (version > MIGRATIONS.length) {
    throw new BerthError("conflict", `${path}: schema version ${version}, this Berth knows ${MIGRATIONS.length}`, {
      hint: "start the newer Berth that wrote it, or give this one another --data-root",
    });
  }
  if (version === MIGRATIONS.length) return;
  db.transaction(() => {
    for (const step of MIGRATIONS.slice(version)) step(db);
    db.exec(`PRAGMA user_version=${MIGRATIONS.length}`);
  });
}

class SqliteRecords implements Records {
  readonly #tables = new Map<TableName, SqliteTable>();

  constructor(
    private readonly db: Db,
    private readonly path: string,
  ) {}

  // One name has one type of document, which its callers agree on; the rows themselves carry no type.
  table<T>(name: TableName): Table<T> {
    let table = this.#tables.get(name);
    if (table === undefined) this.#tables.set(name, (table = new SqliteTable(this.db, name, this.path)));
    return table as Table<unknown> as Table<T>;
  }

  transaction<R>(body: () => R): R {
    try {
      return this.db.transaction(body);
    } catch (error) {
      for (const table of this.#tables.values()) table.rolledBack();
      throw error;
    } finally {
      for (const table of this.#tables.values()) table.settled();
    }
  }

  unsynced<R>(body: () => R): R {
    return this.db.unsynced(body);
  }

  close(): void {
    this.db.close();
  }
}

/** Memory mirrors the table from the first read on: a write reaches memory only after SQLite has taken it, and a roll back forgets what memory holds. */
class SqliteTable implements Table<unknown> {
  #rows: Map<string, unknown> | undefined;
  #touched = false;

  constructor(
    private readonly db: Db,
    private readonly name: TableName,
    private readonly path: string,
  ) {}

  get(key: string): unknown {
    return this.#load().get(key);
  }

  put(key: string, value: unknown): void {
    const text = JSON.stringify(value);
    const rows = this.#load();
    this.db.run(
      `INSERT INTO ${this.name} (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
      key,
      text,
    );
    rows.set(key, frozen(text));
    this.#touched = this.db.inTransaction;
  }

  delete(key: string): void {
    const rows = this.#load();
    if (!rows.has(key)) return;
    this.db.run(`DELETE FROM ${this.name} WHERE key = ?`, key);
    rows.delete(key);
    this.#touched = this.db.inTransaction;
  }

  entries(): [string, unknown][] {
    return [...this.#load()];
  }

  rolledBack(): void {
    if (this.#touched) this.#rows = undefined;
  }

  settled(): void {
    this.#touched = false;
  }

  #load(): Map<string, unknown> {
    if (this.#rows !== undefined) return this.#rows;
    const rows = this.db.all<{ key: string; value: string }>(`SELECT key, value FROM ${this.name} ORDER BY rowid`);
    this.#rows = new Map(rows.map(({ key, value }) => [key, this.#parse(key, value)]));
    return this.#rows;
  }

  #parse(key: string, text: string): unknown {
    try {
      return frozen(text);
    } catch (cause) {
      throw new BerthError("internal", `${this.path}: record ${this.name}/${key} is damaged: ${messageOf(cause)}`, {
        hint: "restore the file from a backup",
        cause,
      });
    }
  }
}

function frozen(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) =>
    typeof value === "object" && value !== null ? Object.freeze(value) : value,
  );
}
