import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isKind } from "../spec/errors.ts";
import { openRecords } from "../store/records.ts";
import type { Records } from "../store/types.ts";
import { openVolumeService } from "./service.ts";
import type { VolumeService } from "./types.ts";

let dir: string;
let root: string;
let records: Records;
let used: Record<string, string[]>;
let service: VolumeService;

function reopen(): VolumeService {
  return openVolumeService({ root, records, usedBy: (name) => used[name] ?? [] });
}

function thrown(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  return undefined;
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "volumes-"));
  root = join(dir, "volumes");
  records = openRecords(join(dir, "berth.db"));
  used = {};
  service = reopen();
});
afterEach(() => {
  records.close();
  rmSync(dir, { recursive: true, force: true });
});

test("a named volume looks as Docker shows it, and creating it again changes nothing", () => {
  const made = service.create({ name: "data", labels: { a: "b" } });
  expect(made as unknown).toEqual({
    CreatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    Driver: "local",
    Labels: { a: "b" },
    Mountpoint: join(root, "data/_data"),
    Name: "data",
    Options: null,
    Scope: "local",
  });
  writeFileSync(join(service.path("data"), "file"), "kept");
  expect(service.create({ name: "data", labels: { c: "d" } })).toEqual(made);
  expect(service.inspect("data")).toEqual(made);
  expect(readdirSync(service.path("data"))).toEqual(["file"]);
  expect(statSync(service.path("data")).mode & 0o777).toBe(0o755);
  expect(service.create({ name: "plain" }).Labels as unknown).toBeNull();
});

test("a volume without a name is anonymous: 64 hex digits and Docker's label", () => {
  const made = service.create({});
  expect(made.Name).toMatch(/^[0-9a-f]{64}$/);
  expect(made.Labels).toEqual({ "com.docker.volume.anonymous": "" });
  expect(service.isAnonymous(made.Name)).toBe(true);
  service.create({ name: "named" });
  expect(service.isAnonymous("named")).toBe(false);
  expect(service.isAnonymous("nowhere")).toBe(false);
});

test.each([
  ["x", "create x: volume name is too short, names should be at least two alphanumeric characters"],
  [
    "x!",
    'create x!: "x!" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path',
  ],
  ["../up", 'create ../up: "../up" includes invalid characters'],
  ["a/b", 'create a/b: "a/b" includes invalid characters'],
  [".removing", 'create .removing: ".removing" includes invalid characters'],
  ["ab\n", "includes invalid characters"],
  ["a".repeat(256), "the name is longer than 255 characters"],
])("the name %j is refused", (name, words) => {
  const error = thrown(() => service.create({ name }));
  expect(isKind(error, "invalid-argument")).toBe(true);
  expect(String(error)).toContain(words);
  expect(readdirSync(root)).toEqual([]);
});

test("another driver, an unknown option and one that lacks another are refused", async () => {
  const driver = await service.make({ name: "ab", driver: "nfs" }).catch((error: unknown) => error);
  expect(isKind(driver, "not-found")).toBe(true);
  expect(String(driver)).toContain('create ab: error looking up volume plugin nfs: plugin "nfs" not found');
  expect(() => service.create({ name: "ab", options: { foo: "1" } })).toThrow('create ab: invalid option: "foo"');
  expect(() => service.create({ name: "ab", options: { device: "/x" } })).toThrow(
    'create ab: missing required option: "type"',
  );
  expect(service.create({ name: "ab", driver: "local" }).Name).toBe("ab");
});

test("filters: dangling, name, label, driver; unknown ones are refused", () => {
  service.create({ name: "web-data", labels: { env: "prod", tier: "1" } });
  service.create({ name: "web-logs", labels: { env: "test" } });
  service.create({ name: "other" });
  used = { other: ["c1"] };
  const names = (filters: Record<string, string[]>): string[] =>
    service
      .list(filters)
      .map((v) => v.Name)
      .sort();
  expect(names({})).toEqual(["other", "web-data", "web-logs"]);
  expect(names({ dangling: ["true"] })).toEqual(["web-data", "web-logs"]);
  expect(names({ dangling: ["0"] })).toEqual(["other"]);
  expect(names({ name: ["logs", "other"] })).toEqual(["other", "web-logs"]);
  expect(names({ label: ["env"] })).toEqual(["web-data", "web-logs"]);
  expect(names({ label: ["env=prod", "tier=1"] })).toEqual(["web-data"]);
  expect(names({ label: ["toString"] })).toEqual([]);
  expect(names({ "label!": ["env=prod"] })).toEqual(["other", "web-logs"]);
  expect(names({ driver: ["local"] })).toHaveLength(3);
  expect(names({ driver: ["nfs"] })).toEqual([]);
  expect(() => names({ foo: ["x"] })).toThrow("invalid filter 'foo'");
  expect(() => names({ dangling: ["x"] })).toThrow("invalid filter 'dangling=[x]'");
});

test("removing deletes the files; a used volume is a conflict, with force too; a missing one is not found, but fine with force", async () => {
  service.create({ name: "data" });
  const busy = service.remove("data", { force: true, usedBy: ["c1", "c2"] });
  await expect(busy).rejects.toThrow("remove data: volume is in use - [c1, c2]");
  await service.remove("data", { force: false, usedBy: [] });
  expect(existsSync(join(root, "data"))).toBe(false);
  expect(readdirSync(join(root, ".removing"))).toEqual([]);
  expect(() => service.path("data")).toThrow("get data: no such volume");
  await expect(service.remove("data", { force: false, usedBy: [] })).rejects.toThrow("get data: no such volume");
  await service.remove("data", { force: true, usedBy: [] });
});

test("a link in a removed volume does not lead out of it", async () => {
  const made = service.create({ name: "data" });
  mkdirSync(join(dir, "precious"));
  writeFileSync(join(dir, "precious/file"), "");
  symlinkSync(join(dir, "precious"), join(made.Mountpoint, "link"));
  await service.remove("data", { force: false, usedBy: [] });
  expect(existsSync(join(dir, "precious/file"))).toBe(true);
});

test("a removal that was killed after the rename is completed at the next start", () => {
  service.create({ name: "data" });
  service.create({ name: "kept" });
  mkdirSync(join(root, ".removing/00ff"), { recursive: true });
  renameSync(join(root, "data"), join(root, ".removing/00ff/data"));
  service = reopen();
  expect(service.list({}).map((v) => v.Name)).toEqual(["kept"]);
});

test("a volume made anew while its predecessor's files are still going keeps its record", () => {
  service.create({ name: "data" });
  mkdirSync(join(root, ".removing/00ff/data/_data"), { recursive: true });
  service = reopen();
  expect(service.list({}).map((v) => v.Name)).toEqual(["data"]);
});

test("a folder without a record becomes a volume with its content, a record without a folder gets an empty one", () => {
  mkdirSync(join(root, "found/_data"), { recursive: true });
  writeFileSync(join(root, "found/_data/file"), "");
  mkdirSync(join(root, `${"0".repeat(64)}/_data/folder`), { recursive: true });
  mkdirSync(join(root, "stray"));
  service.create({ name: "lost" });
  rmSync(join(root, "lost"), { recursive: true });
  service = reopen();
  expect(
    service
      .list({})
      .map((v) => v.Name)
      .sort(),
  ).toEqual(["0".repeat(64), "found", "lost"]);
  expect(readdirSync(service.path("found"))).toEqual(["file"]);
  expect(service.isAnonymous("0".repeat(64))).toBe(true);
  expect(readdirSync(service.path("lost"))).toEqual([]);
});
