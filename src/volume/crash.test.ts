import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRecords } from "../store/records.ts";
import type { Records } from "../store/types.ts";
import { volumeFilter } from "./filters.ts";
import { openVolumeService } from "./service.ts";

// What a kill leaves between any two steps of a volume's making and removal, and what the next start makes of it.

let dir: string;
let root: string;
let records: Records;

const open = () => openVolumeService({ root, records });
function restart() {
  records.close();
  records = openRecords(join(dir, "berth.db"));
  return open();
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "volumes-"));
  root = join(dir, "volumes");
  records = openRecords(join(dir, "berth.db"));
});
afterEach(() => {
  records.close();
  rmSync(dir, { recursive: true, force: true });
});

const names = (service: ReturnType<typeof open>): string[] =>
  service
    .list({})
    .map((v) => v.Name)
    .sort();
/** The folders that are gone for good only when the background has done its work. */
async function untilBuried(): Promise<void> {
  const graves = join(root, ".removing");
  while (existsSync(graves) && readdirSync(graves).length > 0) await Bun.sleep(2);
}

test("create: the folder is there, the record is not: the content is kept", () => {
  mkdirSync(join(root, "half/_data"), { recursive: true });
  writeFileSync(join(root, "half/_data/file"), "precious");
  const service = open();
  expect(names(service)).toEqual(["half"]);
  expect(readdirSync(service.path("half"))).toEqual(["file"]);
  expect(service.isAnonymous("half")).toBe(false);
});

test("create: the outer folder alone is no volume, and does not stay", () => {
  mkdirSync(join(root, "outer"), { recursive: true });
  mkdirSync(join(root, "foreign/thing"), { recursive: true });
  const service = open();
  expect(names(service)).toEqual([]);
  expect(readdirSync(root)).toEqual(["foreign"]);
  service.create({ name: "outer" });
  expect(existsSync(join(root, "outer/_data"))).toBe(true);
});

test("create: a folder of 64 hex digits without a record is anonymous, so that prune finds it", () => {
  const name = "ab".repeat(32);
  mkdirSync(join(root, name, "_data"), { recursive: true });
  writeFileSync(join(root, name, "_data", "file"), "x");
  expect(open().isAnonymous(name)).toBe(true);
});

test("create: folders that were made and have no record yet go, as nobody can have written there", () => {
  mkdirSync(join(root, "made", "_data"), { recursive: true });
  mkdirSync(join(root, "begun"));
  expect(names(open())).toEqual([]);
  expect(readdirSync(root)).toEqual([]);
});

test("remove: before the rename nothing has happened", async () => {
  const service = open();
  service.create({ name: "whole" });
  writeFileSync(join(service.path("whole"), "file"), "x");
  mkdirSync(join(root, ".removing/1234"), { recursive: true });
  const next = restart();
  expect(names(next)).toEqual(["whole"]);
  expect(readdirSync(next.path("whole"))).toEqual(["file"]);
  await untilBuried();
});

test("remove: after the rename it is gone, whether its record was deleted or not", async () => {
  for (const recorded of [true, false]) {
    const service = open();
    service.create({ name: "gone" });
    mkdirSync(join(root, ".removing/1234"), { recursive: true });
    renameSync(join(root, "gone"), join(root, ".removing/1234/gone"));
    if (!recorded) records.table("volumes").delete("gone");
    const next = restart();
    expect(names(next)).toEqual([]);
    await untilBuried();
    expect(existsSync(join(root, "gone"))).toBe(false);
  }
});

test("remove: half of the files are gone: the rest follows", async () => {
  mkdirSync(join(root, ".removing/5678/big/_data"), { recursive: true });
  for (let i = 0; i < 50; i++) writeFileSync(join(root, ".removing/5678/big/_data", String(i)), "x");
  open();
  await untilBuried();
  expect(readdirSync(root).filter((n) => n !== ".removing")).toEqual([]);
});

test("a record without its folder, which someone has deleted by hand, gets an empty one", () => {
  const service = open();
  service.create({ name: "lost", labels: { a: "b" } });
  rmSync(join(root, "lost"), { recursive: true });
  const next = restart();
  expect(readdirSync(next.path("lost"))).toEqual([]);
  expect(next.inspect("lost").Labels).toEqual({ a: "b" });
});

test("files in the root that are no volumes are left alone", () => {
  open();
  writeFileSync(join(root, "README"), "mine");
  symlinkSync("/etc", join(root, "link"));
  const next = restart();
  expect(names(next)).toEqual([]);
  expect(readdirSync(root).sort()).toEqual(expect.arrayContaining(["README", "link"]));
});

test("twenty creates and removals at once end with what was left to stay", async () => {
  const service = open();
  await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      service.create({ name: `v${i % 10}` });
      await service.remove(`v${i % 10}`, { force: true, usedBy: [] });
      if (i >= 15) service.create({ name: `v${i % 10}` });
    }),
  );
  expect(names(service)).toEqual(["v5", "v6", "v7", "v8", "v9"]);
  expect(names(restart())).toEqual(["v5", "v6", "v7", "v8", "v9"]);
  await untilBuried();
});

test("a removed name is free at once, and its new content is not taken with the old", async () => {
  const service = open();
  service.create({ name: "again" });
  writeFileSync(join(service.path("again"), "old"), "x");
  const removing = service.remove("again", { force: false, usedBy: [] });
  service.create({ name: "again" });
  writeFileSync(join(service.path("again"), "new"), "y");
  await removing;
  expect(readdirSync(service.path("again"))).toEqual(["new"]);
});

const web = { name: "web-data", labels: { tier: "web", empty: "" }, used: true };
test.each<[Record<string, string[]>, boolean]>([
  [{}, true],
  [{ name: ["web"] }, true],
  [{ name: ["data"] }, true],
  [{ name: ["db", "web"] }, true],
  [{ name: ["db"] }, false],
  [{ name: [] }, true],
  [{ driver: ["local"] }, true],
  [{ driver: ["nfs"] }, false],
  [{ label: ["tier"] }, true],
  [{ label: ["tier=web"] }, true],
  [{ label: ["tier=db"] }, false],
  [{ label: ["tier", "missing"] }, false],
  [{ label: ["empty="] }, true],
  [{ label: ["toString"] }, false],
  [{ "label!": ["tier"] }, false],
  [{ "label!": ["missing"] }, true],
  [{ "label!": ["tier=db"] }, true],
  [{ dangling: ["true"] }, false],
  [{ dangling: ["false"] }, true],
  [{ dangling: ["1", "0"] }, true],
  [{ name: ["web"], label: ["tier=db"] }, false],
])("filter %p fits a used volume with labels: %p", (filters, fits) => {
  expect(volumeFilter(filters)(web)).toBe(fits);
});

test.each<[Record<string, string[]>, string]>([
  [{ foo: ["x"] }, "invalid filter 'foo'"],
  [{ dangling: ["maybe"] }, "invalid filter 'dangling=[maybe]'"],
])("filter %p is refused", (filters, words) => {
  expect(() => volumeFilter(filters)).toThrow(words);
});

test("a rename that was killed is finished, before and after its folder moved; nothing is lost or doubled", () => {
  for (const moved of [false, true]) {
    const service = open();
    service.create({ name: "old" });
    writeFileSync(join(root, "old", "_data", "file"), "kept");
    // The record is written first.
    const record = records.table<object>("volumes").get("old");
    records.transaction(() => {
      records.table("volumes").delete("old");
      records.table("volumes").put("new", { ...record, name: "new", renamedFrom: "old" });
    });
    if (moved) renameSync(join(root, "old"), join(root, "new"));
    const again = restart();
    expect(names(again)).toEqual(["new"]);
    expect(readdirSync(again.path("new"))).toEqual(["file"]);
    expect(existsSync(join(root, "old"))).toBe(false);
    // The old name is free, and means nothing any more.
    again.create({ name: "old" });
    expect(names(restart())).toEqual(["new", "old"]);
    expect(readdirSync(open().path("old"))).toEqual([]);
    for (const name of ["new", "old"]) {
      records.table("volumes").delete(name);
      rmSync(join(root, name), { recursive: true });
    }
  }
});

test("a rename whose transaction fails leaves all as it was", () => {
  const service = open();
  service.create({ name: "old" });
  const fail = (): void => {
    throw new Error("no");
  };
  expect(() => service.rename("old", "new", fail)).toThrow("no");
  expect(names(service)).toEqual(["old"]);
  expect(existsSync(service.path("old"))).toBe(true);
  expect(existsSync(join(root, "new"))).toBe(false);
  expect(names(restart())).toEqual(["old"]);
});
