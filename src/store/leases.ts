import { randomUUID } from "node:crypto";
import type { Digest } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import type { Lease, Leases, Records, Table } from "./types.ts";

/** What one lease names. */
interface LeaseRecord {
  ids: Digest[];
}

/** Opens the leases and drops those of an earlier daemon: whatever they protected was never finished. */
export function openLeases(records: Records): Leases {
  const table = records.table<LeaseRecord>("leases");
  if (table.entries().length > 0) {
    records.transaction(() => {
      for (const [key] of table.entries()) table.delete(key);
    });
  }
  return { acquire: () => new RecordedLease(table) };
}

/** Every digest and chain id that a lease names now: what GC has to keep. */
export function leasedIds(records: Records): Set<Digest> {
  return new Set(
    records
      .table<LeaseRecord>("leases")
      .entries()
      .flatMap(([, lease]) => lease.ids),
  );
}

class RecordedLease implements Lease {
  readonly #key = randomUUID();
  #released = false;

  constructor(private readonly table: Table<LeaseRecord>) {}

  add(id: Digest): void {
    if (this.#released) throw new BerthError("internal", `${id}: added to a lease that was released`);
    const ids = this.table.get(this.#key)?.ids ?? [];
    if (!ids.includes(id)) this.table.put(this.#key, { ids: [...ids, id] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#released = true;
    this.table.delete(this.#key);
  }
}
