import { describe, expect, test } from "bun:test";
import { BerthError } from "../../spec/errors.ts";
import { chunks, script, sh, tarOf, tempDir } from "../../testing/tar-kit.ts";
import type { TarHeader } from "./header.ts";
import { paxRecord } from "./pax.ts";
import { readTar } from "./reader.ts";
import { encodeHeader, TAR_END, tarHeader } from "./writer.ts";

interface Read extends TarHeader {
  body: string;
}

async function read(data: Buffer, size?: number): Promise<Read[]> {
  const out: Read[] = [];
  for await (const { header, body } of readTar(chunks(data, size))) {
    const parts: Buffer[] = [];
    for (let piece = await body.next(); piece; piece = await body.next()) parts.push(Buffer.from(piece));
    out.push({ ...header, body: Buffer.concat(parts).toString() });
  }
  return out;
}

async function message(data: Buffer): Promise<string> {
  try {
    await read(data);
    return "no error";
  } catch (e) {
    expect(e).toBeInstanceOf(BerthError);
    expect((e as BerthError).kind).toBe("invalid-argument");
    expect((e as Error).message).not.toContain("\n");
    return (e as Error).message;
  }
}

/** Puts a pax header of the given records before an entry. */
function withPax(records: Buffer[], entry: Buffer): Buffer {
  const data = Buffer.concat(records);
  const head = encodeHeader(tarHeader({ path: "PaxHeader", size: data.length }));
  head.write("x", 156);
  return Buffer.concat([resum(head), data, Buffer.alloc((512 - (data.length % 512)) % 512), entry, TAR_END]);
}

function resum(head: Buffer): Buffer {
  head.fill(" ", 148, 156);
  const sum = head.subarray(0, 512).reduce((a, b) => a + b, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0`, 148);
  return head;
}

const LONG = `${"deep-folder/".repeat(20)}a-name-of-some-length`;
const MAKE = `
mkdir -p t/${"deep-folder/".repeat(20)} && cd t
printf hello > plain; printf long > ${LONG}
ln plain hard; ln -s plain soft; ln -s ${"x/".repeat(90)}y longlink
mkfifo fifo; chown 1234:5678 plain; chmod 4755 plain; touch -d '2020-01-02 03:04:05.123456789 UTC' plain
`;

describe.each(["gnu", "oldgnu", "posix", "ustar", "v7"])("GNU tar --format=%s", (format) => {
  const small = format === "ustar" || format === "v7";
  const pack = (dir: string): Buffer => {
    const make = format === "v7" ? MAKE.replace("mkfifo fifo; ", "") : MAKE;
    script(small ? make.replaceAll("deep-folder/".repeat(20), "d/").replaceAll("x/".repeat(90), "z/") : make, dir);
    return sh(["tar", `--format=${format}`, "--sort=name", "-cf", "-", "."], { cwd: `${dir}/t` });
  };

  test.each([1, 511, 700, 1 << 20])("reads the same in chunks of %d bytes", async (size) => {
    using dir = tempDir();
    const entries = await read(pack(dir.path), size);
    const by = (path: string): Read | undefined => entries.find((e) => e.path === `./${path}`);
    const plain = entries.find((e) => e.type === "file" && e.body === "hello");
    expect(plain).toMatchObject({ mode: 0o4755, uid: 1234, gid: 5678, size: 5, mtimeSec: 1577934245 });
    expect(plain?.mtimeNsec).toBe(format === "posix" ? 123456789 : 0);
    expect(by(small ? "d/a-name-of-some-length" : LONG)?.body).toBe("long");
    expect(entries.filter((e) => e.type === "link")).toHaveLength(1);
    expect(by("soft")).toMatchObject({ type: "symlink", link: "plain" });
    expect(by("longlink")?.link).toBe(small ? "z/y" : `${"x/".repeat(90)}y`);
    if (format !== "v7") expect(by("fifo")?.type).toBe("fifo");
    expect(entries[0]).toMatchObject({ path: "./", type: "dir" });
  });
});

test("python's archives: huge owner ids and sizes in base 256, devices, names that are not UTF-8", async () => {
  using dir = tempDir();
  const code = `
import tarfile, io
t = tarfile.open("o.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1")
i = tarfile.TarInfo("big"); i.uid = 3000000000; i.gid = 2500000; i.mtime = -5; i.size = 3; t.addfile(i, io.BytesIO(b"abc"))
i = tarfile.TarInfo("dev"); i.type = tarfile.CHRTYPE; i.devmajor = 511; i.devminor = 70000; t.addfile(i)
i = tarfile.TarInfo("caf\\xe9"); t.addfile(i)
t.close()`;
  sh(["python3", "-c", code], { cwd: dir.path });
  const [big, dev, name] = await read(sh(["cat", "o.tar"], { cwd: dir.path }));
  expect(big).toMatchObject({ uid: 3000000000, gid: 2500000, mtimeSec: -5, body: "abc" });
  expect(dev).toMatchObject({ type: "char", major: 511, minor: 70000 });
  expect(name?.path).toBe("caf\udce9");
});

test("pax: attributes with any bytes, negative and fractional times, a global header, an empty value takes back", async () => {
  const cap = Buffer.from([1, 0, 10, 61, 255]);
  const entry = encodeHeader(tarHeader({ path: "short" }));
  const [one] = await read(
    withPax(
      [
        paxRecord("path", "ü/long"),
        paxRecord("mtime", "-1.25"),
        paxRecord("uid", "7"),
        paxRecord("uid", ""),
        paxRecord("SCHILY.xattr.security.capability", cap),
        paxRecord("unknown.key", "x"),
      ],
      entry,
    ),
  );
  expect(one).toMatchObject({ path: "ü/long", mtimeSec: -2, mtimeNsec: 750_000_000, uid: 0 });
  expect(one?.xattrs?.get("security.capability")).toEqual(cap);
  const global = withPax([paxRecord("gid", "42")], Buffer.concat([entry, entry]));
  global.write("g", 156);
  resum(global);
  expect((await read(global)).map((e) => e.gid)).toEqual([42, 42]);
});

test("an archive may end without its end marks, and bytes behind the end are read but ignored", async () => {
  const whole = await tarOf([{ path: "a", body: "x" }]);
  expect(await read(whole.subarray(0, whole.length - 1024))).toHaveLength(1);
  let seen = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const c of chunks(Buffer.concat([whole, Buffer.from("trailing rubbish")]), 100)) {
      seen += c.length;
      yield c;
    }
  };
  expect(await Array.fromAsync(readTar(counted()))).toHaveLength(1);
  expect(seen).toBe(whole.length + 16);
  expect(await read(Buffer.alloc(0))).toEqual([]);
});

test("the last entry may lack its padding, as in archives of Go that were never closed", async () => {
  const file = encodeHeader(tarHeader({ path: "file", size: 600 }));
  for (const cut of [600, 700]) expect(await read(Buffer.concat([file, Buffer.alloc(cut)]))).toHaveLength(1);
});

describe("hostile archives end in one clear line", () => {
  const file = encodeHeader(tarHeader({ path: "file", size: 600 }));
  const body = Buffer.alloc(1024);
  const edited = (edit: (b: Buffer) => void): Buffer => {
    const b = Buffer.from(file);
    edit(b);
    return Buffer.concat([resum(b), body, TAR_END]);
  };
  const base256 = (hex: string): Buffer => Buffer.from(hex.padStart(22, hex.startsWith("ff") ? "ff" : "00"), "hex");
  const sparse = (map: string, size: string): Buffer =>
    withPax(
      [paxRecord("GNU.sparse.numblocks", "1"), paxRecord("GNU.sparse.size", size), paxRecord("GNU.sparse.map", map)],
      Buffer.concat([file, body]),
    );
  const cases: [string, () => Buffer, RegExp][] = [
    ["not a tar", () => Buffer.from("hello ".repeat(200)), /checksum/],
    ["flipped header byte", () => Buffer.concat([Buffer.from(file).fill("z", 3, 4), body]), /checksum/],
    ["truncated header", () => file.subarray(0, 300), /ends in the middle of an entry/],
    ["truncated body", () => Buffer.concat([file, body.subarray(0, 500)]), /ends in the middle of a file/],
    [
      "negative size",
      () => edited((b) => Buffer.concat([Buffer.of(0xff), base256("ffff")]).copy(b, 124)),
      /size of -1/,
    ],
    [
      "absurd size",
      () => edited((b) => Buffer.concat([Buffer.of(0x80), base256("7fffffffffffffff")]).copy(b, 124)),
      /out of range/,
    ],
    ["letters for a size", () => edited((b) => b.write("12x4", 124)), /number field/],
    ["unknown type", () => edited((b) => b.write("Q", 156)), /unknown type/],
    ["multi-volume", () => edited((b) => b.write("M", 156)), /unknown type/],
    ["long name without an entry", () => edited((b) => b.write("L", 156)), /ends after an extended header/],
    ["one zero block", () => Buffer.concat([body.subarray(0, 512), file, body]), /single block of zeros/],
    ["pax length too long", () => withPax([Buffer.from("99 path=x\n")], file), /malformed/],
    ["pax length zero", () => withPax([Buffer.from("0 path=x\n")], file), /malformed/],
    ["pax without newline", () => withPax([Buffer.from("9 path=xx")], file), /malformed/],
    ["pax without key", () => withPax([Buffer.from("5 =x\n")], file), /malformed/],
    ["pax size negative", () => withPax([paxRecord("size", "-5")], file), /not a number/],
    ["pax size absurd", () => withPax([paxRecord("size", "9999999999999999999")], file), /not a number/],
    ["pax path with zero byte", () => withPax([paxRecord("path", "a\0b")], Buffer.concat([file, body])), /zero byte/],
    ["pax uid out of range", () => withPax([paxRecord("uid", "4294967295")], file), /owner id/],
    ["pax time", () => withPax([paxRecord("mtime", "soon")], file), /not a time/],
    ["huge pax", () => withPax([paxRecord("comment", "x".repeat(2 << 20))], file), /more than 1048576 bytes/],
    [
      "many pax",
      () =>
        Buffer.concat(
          Array.from({ length: 60 }, () => withPax([paxRecord("k", "v".repeat(20000))], file).subarray(0, 20992)),
        ),
      /more than 1048576 bytes/,
    ],
    ["sparse map that overlaps", () => sparse("0,300,200,300", "9999"), /overlaps/],
    ["sparse map past the end", () => sparse("0,300,500,300", "600"), /does not fit/],
    ["sparse map short of data", () => sparse("0,300", "9999"), /does not fit/],
    ["sparse map odd", () => sparse("0,300,5", "9999"), /malformed/],
  ];
  test.each(cases)("%s", async (_name, make, want) => {
    expect(await message(make())).toMatch(want);
  });

  test("any damaged byte gives an archive or an error, never anything else", async () => {
    using dir = tempDir();
    script(MAKE, dir.path);
    const good = sh(["tar", "--format=posix", "-cf", "-", "."], { cwd: `${dir.path}/t` });
    for (let i = 0; i < 1500; i += 1) {
      const bad = Buffer.from(good);
      const at = (i * 7919) % good.length;
      bad[at] = (bad[at] ?? 0) ^ (1 << (i % 8));
      const cut = i % 3 === 0 ? bad.subarray(0, (i * 104729) % good.length) : bad;
      await message(cut);
    }
  });
});
