import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Digest } from "../spec/digest.ts";
import { leasedIds, openLeases } from "./leases.ts";
import { openRecords } from "./records.ts";
import type { Records } from "./types.ts";

let dir = "";
let records: Records;
const id = (n: number): Digest => `sha256:${String(n).repeat(64)}`;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-leases-"));
  records = openRecords(join(dir, "berth.db"));
});
afterEach(() => {
  records.close();
  rmSync(dir, { recursive: true });
});

test("a lease protects its ids until it is released; the same id in another lease stays", async () => {
  const leases = openLeases(records);
  const other = leases.acquire();
  other.add(id(1));
  {
    await using lease = leases.acquire();
    lease.add(id(1));
    lease.add(id(2));
    lease.add(id(2));
    expect([...leasedIds(records)].sort()).toEqual([id(1), id(2)]);
  }
  expect([...leasedIds(records)]).toEqual([id(1)]);
  await other[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
  expect(leasedIds(records).size).toBe(0);
  expect(() => other.add(id(3))).toThrow("released");
});

test("the leases of a dead daemon go at the next start", () => {
  openLeases(records).acquire().add(id(1));
  expect(leasedIds(records).size).toBe(1);
  records.close();
  records = openRecords(join(dir, "berth.db"));
  expect(leasedIds(records).size).toBe(0);
  openLeases(records);
  expect(leasedIds(records).size).toBe(0);
});
