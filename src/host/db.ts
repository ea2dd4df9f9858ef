import { Database, SQLiteError, type SQLQueryBindings } from "bun:sqlite";
import { chmodSync } from "node:fs";
import { BerthError } from "../spec/errors.ts";

/** How long to wait for another process that holds the database, in milliseconds. */
const BUSY_MS = 2000;

/** A value that SQLite stores here. */
export type DbValue = string | number | null | Uint8Array;

/**
 * One open SQLite database, owned by this process alone until `close` or its end (locking_mode EXCLUSIVE): nobody else reads or writes it meanwhile.
 * What a finished transaction wrote is on the disk (WAL, synchronous=FULL). Every failure is a BerthError that names the file.
 */
export interface Db {
  /** Statements without parameters, any number of them. */
  exec(sql: string): void;
  /** One statement; it is prepared once and kept. */
  run(sql: string, ...values: DbValue[]): void;
  /** All rows of one query. The caller states their shape. */
  all<Row>(sql: string, ...values: DbValue[]): Row[];
  /** All or nothing. A throw inside, or a commit that fails, leaves the database as it was. Not nested, not async. */
  transaction<R>(body: () => R): R;
  /**
   * Runs `body` without syncing what it commits: that outlives this process, but may be lost with the host, together with nothing else
   * (sqlite.org, "PRAGMA synchronous"). Not inside a transaction.
   */
  unsynced<R>(body: () => R): R;
  /** True between the begin and the end of `transaction`. */
  readonly inTransaction: boolean;
  close(): void;
}

/**
 * Opens or makes the database. Throws `conflict` where another process has it open, `internal` where the file is no sound SQLite database,
 * `no-space` where the disk is full.
 */
export function openDb(path: string): Db {
  return guard(path, () => {
    const db = new Database(path, { create: true, readwrite: true });
    try {
      // Records hold environments, and so secrets. The WAL takes this file's mode.
      chmodSync(path, 0o600);
      db.run(`PRAGMA busy_timeout=${BUSY_MS}`);
      db.run("PRAGMA locking_mode=EXCLUSIVE");
      db.run("PRAGMA journal_mode=WAL");
      db.run("PRAGMA synchronous=FULL");
      // Takes the exclusive lock now, rather than at the first write.
      db.run("BEGIN EXCLUSIVE");
      db.run("COMMIT");
      checkSound(db, path);
    } catch (error) {
      db.close();
      throw error;
    }
    return new SqliteDb(db, path);
  });
}

class SqliteDb implements Db {
  #open = false;

  constructor(
    private readonly db: Database,
    private readonly path: string,
  ) {}

  get inTransaction(): boolean {
    return this.#open;
  }

  exec(sql: string): void {
    guard(this.path, () => this.db.run(sql));
  }

  run(sql: string, ...values: DbValue[]): void {
    guard(this.path, () => this.db.query<unknown, SQLQueryBindings[]>(sql).run(...values));
  }

  all<Row>(sql: string, ...values: DbValue[]): Row[] {
    return guard(this.path, () => this.db.query<Row, SQLQueryBindings[]>(sql).all(...values));
  }

  transaction<R>(body: () => R): R {
    if (this.#open) throw new BerthError("internal", `${this.path}: a transaction inside a transaction`);
    this.exec("BEGIN IMMEDIATE");
    this.#open = true;
    try {
      const result = body();
      if (result instanceof Promise) {
        // The caller never sees this promise, so that its failure must not count as unhandled.
        result.catch(() => undefined);
        throw new BerthError("internal", `${this.path}: an async transaction`);
      }
      this.exec("COMMIT");
      return result;
    } catch (error) {
      // A full disk makes SQLite roll back by itself; then there is nothing left to undo.
      if (this.db.inTransaction) this.exec("ROLLBACK");
      throw error;
    } finally {
      this.#open = false;
    }
  }

  unsynced<R>(body: () => R): R {
    this.exec("PRAGMA synchronous=NORMAL");
    try {
      return body();
    } finally {
      this.exec("PRAGMA synchronous=FULL");
    }
  }

  close(): void {
    guard(this.path, () => this.db.close());
  }
}

function checkSound(db: Database, path: string): void {
  const [first] = db.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").all();
  if (first?.quick_check !== "ok") throw damaged(path, first?.quick_check ?? "no answer from quick_check");
}

function guard<R>(path: string, body: () => R): R {
  try {
    return body();
  } catch (error) {
    if (error instanceof SQLiteError) throw explain(path, error);
    throw error;
  }
}

function explain(path: string, error: SQLiteError): BerthError {
  const code = error.code ?? "";
  if (/^SQLITE_(BUSY|LOCKED)/.test(code)) {
    return new BerthError("conflict", `${path}: in use by another Berth daemon`, {
      hint: "stop that daemon, or give this one another --data-root",
      cause: error,
    });
  }
  if (/^SQLITE_FULL/.test(code)) {
    return new BerthError("no-space", `${path}: no space left on device`, { hint: "free some space", cause: error });
  }
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return damaged(path, error.message, error);
  return new BerthError("internal", `${path}: ${error.message}`, { cause: error });
}

function damaged(path: string, detail: string, cause?: unknown): BerthError {
  return new BerthError("internal", `${path}: not a sound SQLite database: ${detail.replaceAll("\n", " ")}`, {
    hint: "move the file away to start with empty records, or restore it from a backup",
    cause,
  });
}
