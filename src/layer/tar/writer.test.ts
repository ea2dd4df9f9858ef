import { expect, test } from "bun:test";
import { chunks, sh, tarOf } from "../../testing/tar-kit.ts";
import { readTar } from "./reader.ts";
import { encodeHeader, tarHeader, writeTar } from "./writer.ts";

const python = (tar: Buffer, expression: string): unknown => {
  const code = `import tarfile,sys,io,json; t=tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read())); print(json.dumps([${expression} for m in t]))`;
  return JSON.parse(sh(["python3", "-c", code], { input: tar }).toString());
};

test("plain entries need one block; names, links, ids and times that ustar cannot say get a PAX header", () => {
  const blocks = (parts: Parameters<typeof tarHeader>[0]): number => encodeHeader(tarHeader(parts)).length / 512;
  expect(blocks({ path: "n".repeat(100), uid: 0o7777777, mtimeSec: 0o77777777777, size: 0o77777777777 })).toBe(1);
  expect(blocks({ path: "n".repeat(101) })).toBe(3);
  expect(blocks({ path: "d".repeat(100), type: "dir" })).toBe(3);
  expect(blocks({ path: "ü" })).toBe(3);
  expect(blocks({ path: "l", type: "symlink", link: "x".repeat(101) })).toBe(3);
  expect(blocks({ path: "x", uid: 0o10000000 })).toBe(3);
  expect(blocks({ path: "x", mtimeSec: -1 })).toBe(3);
  expect(blocks({ path: "x", mtimeNsec: 1 })).toBe(3);
  expect(blocks({ path: "x", size: 2 ** 33 })).toBe(3);
});

test("python reads what it says", async () => {
  const xattrs = new Map([
    ["user.b", Buffer.from("2")],
    ["user.a", Buffer.from("1")],
  ]);
  const tar = await tarOf([
    {
      path: `${"ö".repeat(90)}/name`,
      body: "body",
      mode: 0o4711,
      uid: 3_000_000,
      gid: 4_000_000,
      mtimeSec: -2,
      mtimeNsec: 750_000_000,
      xattrs,
    },
    { path: "dev", type: "block", major: 259, minor: 1_000_000 },
    { path: "hard", type: "link", link: "l".repeat(150) },
    { path: "dir", type: "dir", mode: 0o1777 },
  ]);
  expect(
    python(
      tar,
      "[m.name, m.type.decode(), oct(m.mode), m.uid, m.gid, m.mtime, m.linkname, m.devmajor, m.devminor, m.size]",
    ),
  ).toEqual([
    [`${"ö".repeat(90)}/name`, "0", "0o4711", 3_000_000, 4_000_000, -1.25, "", 0, 0, 4],
    ["dev", "4", "0o644", 0, 0, 0, "", 259, 1_000_000, 0],
    ["hard", "1", "0o644", 0, 0, 0, "l".repeat(150), 0, 0, 0],
    ["dir", "5", "0o1777", 0, 0, 0, "", 0, 0, 0],
  ]);
  expect(python(tar, "list(m.pax_headers)")).toEqual([
    ["path", "uid", "gid", "mtime", "SCHILY.xattr.user.a", "SCHILY.xattr.user.b"],
    [],
    ["linkpath"],
    [],
  ]);
});

test("a body that is shorter or longer than its header says is an error, not a broken archive", async () => {
  for (const body of ["12", "1234"]) {
    const items = [{ header: tarHeader({ path: "x", size: 3 }), body: Buffer.from(body) }];
    await expect(Array.fromAsync(writeTar(items))).rejects.toThrow(/x: body and header differ in size/);
  }
});

test("attribute names with = and % are written as GNU tar writes them, and read back", async () => {
  const names = ["user.a=b", "user.100%", "user.x%3Dy", "user.z%25", "user.%=%"];
  const xattrs = new Map(names.map((name) => [name, Buffer.from(`${name}=value`)]));
  const bytes = Buffer.concat(await Array.fromAsync(writeTar([{ header: tarHeader({ path: "f", xattrs }) }])));
  const text = bytes.toString("latin1");
  for (const key of ["user.a%3Db", "user.100%", "user.x%253Dy", "user.z%2525", "user.%25%3D%25"]) {
    expect(text).toContain(`SCHILY.xattr.${key}=`);
  }
  const seen = new Map<string, string>();
  for await (const { header } of readTar(chunks(bytes))) {
    for (const [name, value] of header.xattrs ?? []) seen.set(name, value.toString());
  }
  expect(seen).toEqual(new Map(names.map((name) => [name, `${name}=value`])));
});
