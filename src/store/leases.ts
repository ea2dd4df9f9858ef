import type { Digest } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import type { Lease, Leases, Records } from "./types.ts";

/** Open leases by the records that they protect. In memory: a lease stands for work of this process, and ends with it at the latest. */
const OPEN = new WeakMap<Records, Set<OpenLease>>();

/** Opens the leases of these records; there are none at first, whatever an earlier daemon was at. */
export function openLeases(records: Records): Leases {
  const open = new Set<OpenLease>();
  OPEN.set(records, open);
  return { acquire: () => new OpenLease(open) };
}

/** Every digest and chain id that a lease names now: what GC has to keep. */
export function leasedIds(records: Records): Set<Digest> {
  return new Set([...(OPEN.get(records) ?? [])].flatMap((lease) => [...lease.ids]));
}

class OpenLease implements Lease {
  readonly ids = new Set<Digest>();

  constructor(private readonly open: Set<OpenLease>) {
    open.add(this);
  }

  add(id: Digest): void {
    if (!this.open.has(this)) throw new BerthError("internal", `${id}: added to a lease that was released`);
    this.ids.add(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.open.delete(this);
  }
}
