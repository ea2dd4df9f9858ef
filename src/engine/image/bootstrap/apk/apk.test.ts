import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { ALPINE_KEYS, pemOf } from "../alpine-keys.ts";
import type { ApkEntry } from "./index.ts";
import { resolve } from "./resolve.ts";
import { gzipMember, tarFiles } from "./segments.ts";
import { fitsPattern } from "./unpack.ts";
import { compareVersions, parseRequirement, satisfies } from "./version.ts";

test("versions are ordered as apk orders them", () => {
  const ascending = [
    ...[
      "0.1_alpha",
      "0.1_alpha2",
      "0.1_beta1",
      "0.1_rc1-r1",
      "0.1",
      "0.1-r1",
      "0.1_git20240101",
      "0.1_p1",
      "0.1a",
      "0.1.1",
      "0.02",
      "0.2",
    ],
    ...["0.10", "1.0", "1.0-r2", "1.0-r10", "1.1.1w-r0", "1.2.2-r7", "1.2.11-r0", "2", "2.0", "20240226-r0"],
  ];
  const order = [...ascending].sort(compareVersions);
  expect(order).toEqual(["0.02", ...ascending.filter((v) => v !== "0.02")]);
  expect(compareVersions("1.0-r0", "1.0")).toBe(0);
  for (const v of ascending) expect(compareVersions(v, v)).toBe(0);
});

test("requirements: names with their operators", () => {
  const fits = (version: string, text: string): boolean => satisfies(version, parseRequirement(text));
  expect(parseRequirement("!so:libc.so.6>=1.2@edge")).toMatchObject({ name: "so:libc.so.6", conflict: true });
  expect(
    ["a", "a=1.2-r0", "a>1.1", "a>=1.2-r0", "a<1.3", "a<=1.2-r0", "a~1.2", "a~1"].map((t) => fits("1.2-r0", t)),
  ).toEqual(Array.from({ length: 8 }, () => true));
  expect(["a=1.2-r1", "a>1.2-r0", "a<1.2-r0", "a~1.20", "a~2", "a><Q1abc"].map((t) => fits("1.2-r0", t))).toEqual(
    Array.from({ length: 6 }, () => false),
  );
});

const entry = (name: string, version: string, rest: Partial<ApkEntry> = {}): ApkEntry => ({
  ...{
    name,
    version,
    checksum: "Q1",
    size: 1,
    depends: [],
    provides: [],
    installIf: [],
    priority: 0,
    raw: "",
    base: "",
  },
  ...rest,
});
const names = (entries: ApkEntry[], world: string[]): string[] =>
  resolve(entries, world).map((e) => `${e.name}-${e.version}`);

test("dependencies come first, circles too; the newest is taken, unless somebody wants an older one first", () => {
  const circle = [
    entry("a", "1", { depends: ["b"] }),
    entry("b", "1", { depends: ["a", "c"] }),
    entry("c", "1"),
    entry("c", "2"),
  ];
  expect(names(circle, ["a"])).toEqual(["c-2", "b-1", "a-1"]);
  expect(names(circle, ["c<2", "a"])).toEqual(["c-1", "b-1", "a-1"]);
  expect(() => names(circle, ["c<2", "c>1"])).toThrow("no package for c>1, which the image needs");
});

test("who provides: its own name, then priority, then version; two that nothing tells apart are named", () => {
  const shells = [
    entry("dash", "9", { provides: ["/bin/sh"], priority: 60 }),
    entry("box", "1", { provides: ["/bin/sh"], priority: 100 }),
  ];
  expect(names(shells, ["/bin/sh"])).toEqual(["box-1"]);
  expect(names(shells, ["dash", "/bin/sh"])).toEqual(["dash-9"]);
  const libs = [entry("old", "1", { provides: ["so:l=1.0"] }), entry("new", "1", { provides: ["so:l=1.2"] })];
  expect(names(libs, ["so:l"])).toEqual(["new-1"]);
  expect(names(libs, ["so:l<1.1"])).toEqual(["old-1"]);
  const mail = [entry("exim", "1", { provides: ["mta"] }), entry("postfix", "1", { provides: ["mta"] })];
  expect(() => names(mail, ["mta"])).toThrow(
    /several packages are mta, which the image needs \(name one with --include, as exim or postfix/,
  );
  expect(names([...mail, entry("mta", "1")], ["mta"])).toEqual(["mta-1"]);
});

test("install_if: what comes by itself, and what comes by itself because of that", () => {
  const all = [
    entry("a", "1"),
    entry("a-doc", "1", { installIf: ["a=1", "docs"], depends: ["pager"] }),
    entry("docs", "1"),
    entry("pager", "1"),
    entry("pager-doc", "1", { installIf: ["pager", "docs"] }),
  ];
  expect(names(all, ["a"])).toEqual(["a-1"]);
  expect(names(all, ["a", "docs"]).sort()).toEqual(["a-1", "a-doc-1", "docs-1", "pager-1", "pager-doc-1"]);
});

test("gzip members: bounds, damage, headers with everything in them", async () => {
  const one = gzipSync("hello");
  const two = Buffer.concat([one, gzipSync("world")]);
  expect(gzipMember(two, 100)).toEqual({ plain: Buffer.from("hello"), length: one.length });
  expect(gzipMember(two.subarray(one.length), 100).plain.toString()).toBe("world");
  expect(() => gzipMember(gzipSync(Buffer.alloc(10_000_000)), 1000)).toThrow("too large");
  for (let end = 0; end < one.length; end++)
    expect(() => gzipMember(one.subarray(0, end), 100)).toThrow("not a file of apk's");
  const full = Buffer.concat([
    Buffer.from([0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 3, 2, 0, 1, 1]),
    Buffer.from("n\0c\0hc"),
    one.subarray(10),
  ]);
  expect(gzipMember(full, 100).plain.toString()).toBe("hello");
  await expect(tarFiles(Buffer.from("no tar at all"), 100)).rejects.toThrow();
});

test("triggers' patterns", () => {
  expect(fitsPattern("/lib/modules/6.6", "/lib/modules/*")).toBe(true);
  expect(fitsPattern("/lib/modules/6.6/kernel", "/lib/modules/*")).toBe(false);
  expect(fitsPattern("/usr/bin", "/usr/bin")).toBe(true);
  expect(fitsPattern("/usrxbin", "/usr.bin")).toBe(false);
  expect(fitsPattern("/a", "/[")).toBe(false);
});

test("the keys that come with the program are those that are published", () => {
  const sums = Object.entries(ALPINE_KEYS).map(([name, body]) => [
    name.slice(-16, -8),
    createHash("sha256").update(pemOf(body)).digest("hex").slice(0, 32),
  ]);
  expect(sums).toEqual([
    ["4a6a0840", "9c102bcc376af1498d549b77bdbfa815"],
    ["5243ef4b", "ebf31683b56410ecc4c00acd9f6e2839"],
    ["5261cecb", "12f899e55a7691225603d6fb3324940f"],
    ["6165ee59", "207e4696d3c05f7cb05966aee5573071"],
    ["61666e3f", "128d34d4aec39b0daedea8163cd8dc24"],
    ["58199dcc", "73867d92083f2f8ab899a26ccda7ef63"],
    ["616ae350", "d11f6b21c61b4274e182eb888883a8ba"],
  ]);
});
