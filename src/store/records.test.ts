import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDb } from "../host/db.ts";
import { openRecords } from "./records.ts";
import type { Records } from "./types.ts";

let dir = "";
let path = "";
const opened: Records[] = [];

function open(): Records {
  const records = openRecords(path);
  opened.push(records);
  return records;
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "berth-records-"));
  path = join(dir, "berth.db");
});

afterEach(() => {
  for (const r of opened.splice(0)) r.close();
  rmSync(dir, { recursive: true });
});

test("records outlive a close, in the order they were put", () => {
  const first = openRecords(path);
  const table = first.table<{ n: number }>("images");
  table.put("b", { n: 1 });
  table.put("a", { n: 2 });
  table.put("b", { n: 3 });
  table.put("gone", { n: 4 });
  table.delete("gone");
  table.delete("never was");
  const expected: [string, { n: number }][] = [
    ["b", { n: 3 }],
    ["a", { n: 2 }],
  ];
  expect(table.entries()).toEqual(expected);
  first.close();
  expect(open().table<{ n: number }>("images").entries()).toEqual(expected);
});

test("a throw inside a transaction undoes it in memory and on disk", () => {
  const records = openRecords(path);
  const images = records.table<number>("images");
  const tags = records.table<number>("tags");
  images.put("kept", 1);
  const boom = () =>
    records.transaction(() => {
      images.put("kept", 2);
      images.put("new", 3);
      tags.put("t", 1);
      images.delete("kept");
      throw new Error("boom");
    });
  expect(boom).toThrow("boom");
  expect(images.entries()).toEqual([["kept", 1]]);
  expect(tags.entries()).toEqual([]);
  records.transaction(() => tags.put("t", 5));
  records.close();
  const again = open();
  expect(again.table<number>("images").entries()).toEqual([["kept", 1]]);
  expect(again.table<number>("tags").get("t")).toBe(5);
});

test("a nested transaction and an async one are refused, and undo what they wrote", () => {
  const records = open();
  const tags = records.table<number>("tags");
  expect(() =>
    records.transaction(() => {
      tags.put("a", 1);
      records.transaction(() => tags.put("b", 1));
    }),
  ).toThrow("a transaction inside a transaction");
  expect(() => records.transaction(async () => tags.put("a", 1))).toThrow("an async transaction");
  expect(tags.entries()).toEqual([]);
  expect(records.transaction(() => 7)).toBe(7);
});

test("what was read cannot be changed in place, and the caller's own value stays free", () => {
  const table = open().table<{ list: number[] }>("meta");
  const mine = { list: [1] };
  table.put("k", mine);
  mine.list.push(2);
  expect(table.get("k")).toEqual({ list: [1] });
  expect(() => table.get("k")?.list.push(3)).toThrow(TypeError);
});

test("the file is for root's eyes only", () => {
  open();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a newer schema is refused with the next step and stays as it was", () => {
  openRecords(path).close();
  const db = openDb(path);
  db.exec("PRAGMA user_version=99");
  db.close();
  const before = readFileSync(path);
  expect(() => openRecords(path)).toThrow(/schema version 99, this Berth knows \d+ \(start the newer Berth/);
  expect(readFileSync(path).equals(before)).toBe(true);
});

test("a failing migration leaves no half schema", () => {
  const db = openDb(path);
  db.exec("CREATE TABLE tags (other TEXT)"); // In the way of migration 1.
  db.close();
  expect(() => openRecords(path)).toThrow("tags");
  const after = openDb(path);
  expect(after.all("SELECT name FROM sqlite_master")).toEqual([{ name: "tags" }]);
  after.close();
});

test("a file that is no database is one clear line", () => {
  writeFileSync(path, "this is not a database, whatever its name says".repeat(50));
  expect(() => openRecords(path)).toThrow(/berth\.db: not a sound SQLite database: .*\(move the file away/);
});

test("a truncated database is refused", () => {
  const records = openRecords(path);
  const table = records.table<string>("meta");
  records.transaction(() => {
    for (let i = 0; i < 50; i++) table.put(`k${i}`, "x".repeat(2000));
  });
  records.close();
  truncateSync(path, 20_480);
  expect(() => openRecords(path)).toThrow("not a sound SQLite database");
});

test("a record that is not JSON is named", () => {
  openRecords(path).close();
  const db = openDb(path);
  db.run("INSERT INTO images VALUES (?, ?)", "sha256:1", "{broken");
  db.close();
  expect(() => open().table("images").entries()).toThrow("record images/sha256:1 is damaged");
});

test("a second daemon on the same records is refused until the first one is gone", () => {
  const first = openRecords(path);
  expect(() => openRecords(path)).toThrow("in use by another Berth daemon (stop that daemon");
  first.close();
  open();
});

test("a killed process loses nothing that it had committed, and blocks nobody", async () => {
  const script = `
    const { openRecords } = await import(${JSON.stringify(join(import.meta.dir, "records.ts"))});
    const records = openRecords(${JSON.stringify(path)});
    const table = records.table("meta");
    for (let i = 0; ; i++) {
      records.transaction(() => { table.put("a", i); table.put("b", i); });
      console.log(i);
    }`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  let last = -1;
  let text = "";
  for await (const chunk of child.stdout) {
    text += Buffer.from(chunk).toString();
    const lines = text.split("\n").slice(0, -1);
    last = Number(lines.at(-1) ?? -1);
    if (last >= 50) child.kill("SIGKILL");
  }
  await child.exited;
  const table = open().table<number>("meta");
  expect(table.get("a")).toBeGreaterThanOrEqual(last);
  expect(table.get("b")).toBe(table.get("a"));
});

test("unsynced writes are read back, outlive a close, and later writes are synced again", () => {
  const first = openRecords(path);
  const endpoints = first.table<number>("endpoints");
  first.unsynced(() => endpoints.put("a", 1));
  expect(() =>
    first.unsynced(() => {
      throw new Error("boom");
    }),
  ).toThrow("boom");
  endpoints.put("b", 2);
  expect(endpoints.entries()).toEqual([
    ["a", 1],
    ["b", 2],
  ]);
  first.close();
  expect(open().table<number>("endpoints").get("a")).toBe(1);
});
