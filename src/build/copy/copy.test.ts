import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { messageOf } from "../../spec/errors.ts";
import { decodeName } from "../../spec/names.ts";
import { type Built, bytesOf, type FileSpec, Lab, tarOf } from "../lab.test.ts";

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.open();
});
afterAll(() => lab[Symbol.asyncDispose]());

const build = (lines: string, files: Record<string, FileSpec> = {}): Promise<Built> =>
  lab.build({ Dockerfile: `FROM base\n${lines}\n`, ...files });
const failure = (lines: string, files: Record<string, FileSpec> = {}): Promise<string> =>
  build(lines, files).then(() => "no failure", messageOf);
const tree = {
  "d/": { mode: 0o750 },
  "d/x": "x",
  "d/sub/": {},
  "d/sub/y": "y",
  "d/link": { type: "symlink" as const, link: "x" },
};

describe("where things go", () => {
  test.each([
    ["COPY a /file", "/file"],
    ["COPY a /dir/", "/dir/a"],
    ["COPY a /tmp", "/tmp/a"],
    ["COPY a .", "/a"],
    ["WORKDIR /w\nCOPY a b/c", "/w/b/c"],
    ["WORKDIR /w\nCOPY a ./", "/w/a"],
    ["WORKDIR /w\nCOPY a ..", "/a"],
    ['COPY ["a", "/with space/"]', "/with space/a"],
    ["COPY ./sub/../a /n", "/n"],
    ["COPY /a /n", "/n"],
    ["ENV to=/var\nCOPY a $to/x/", "/var/x/a"],
  ])("%s", async (lines, path) => {
    const { image } = await build(lines, { a: "content" });
    expect(lab.text(image, path)).toBe("content");
  });

  test("a folder's content; a new folder for it is an ordinary one", async () => {
    const { image } = await build("COPY d /new\nCOPY d /tmp/", tree);
    const view = lab.view(image);
    expect(view.readdir("/new")).toEqual(["link", "sub", "x"]);
    expect(view.lstat("/new")?.mode).toBe(0o755);
    expect(view.lstat("/new/sub")?.mode).toBe(0o755);
    expect(view.lstat("/new/link")?.link).toBe("x");
    expect(view.lstat("/tmp")?.mode).toBe(0o1777);
    expect(lab.text(image, "/tmp/sub/y")).toBe("y");
  });

  test("patterns of Go's filepath.Match, several sources", async () => {
    const files = { "a1.txt": "1", "a2.txt": "2", "b.md": "b", "d/a3.txt": "3", "d/e/a4.txt": "4" };
    const { image } = await build("COPY *.txt /flat/\nCOPY d*/a[0-9].txt b.* /two/\nCOPY a?.txt d /three/", files);
    const view = lab.view(image);
    expect(view.readdir("/flat")).toEqual(["a1.txt", "a2.txt"]);
    expect(view.readdir("/two")).toEqual(["a3.txt", "b.md"]);
    expect(view.readdir("/three")).toEqual(["a1.txt", "a2.txt", "a3.txt", "e"]);
  });

  test("folders on the way keep the attributes that they have below", async () => {
    const { image } = await build("COPY --chown=app a /opt/x/y/a", { a: "1" });
    const at = (path: string) => {
      const { mode, uid, gid } = lab.view(image).lstat(path) ?? {};
      return { mode, uid, gid };
    };
    expect(at("/opt")).toEqual({ mode: 0o700, uid: 7, gid: 8 });
    expect(at("/opt/x")).toEqual({ mode: 0o755, uid: 1001, gid: 1002 });
    const layer = at("/opt/x/y/a");
    expect(layer).toEqual({ mode: 0o644, uid: 1001, gid: 1002 });
    const { image: seen } = await lab.build({
      Dockerfile: "FROM base\nCOPY a /opt/a\nRUN stat -c '%a %u %g' /opt >/o\n",
      a: "1",
    });
    expect(lab.text(seen, "/o")).toBe("700 7 8\n");
  });

  test("links in the destination are followed inside the image", async () => {
    const lines =
      "RUN mkdir /real && chmod 711 /real && busybox ln -s /real /l && busybox ln -s ../../../../etc/passwd /p";
    const { image } = await build(`${lines}\nCOPY a /l/\nCOPY a /p`, { a: "new" });
    expect(lab.view(image).lstat("/l")?.type).toBe("symlink");
    expect(lab.text(image, "/real/a")).toBe("new");
    expect(lab.view(image).lstat("/real")?.mode).toBe(0o711);
    expect(lab.view(image).lstat("/etc/passwd")?.size).toBe(3);
  });
});

describe("owners and modes", () => {
  test("the context is root's, whatever its tar says; modes are kept", async () => {
    const { image } = await build("COPY a b /o/", { a: { uid: 1234, gid: 5, mode: 0o4711 }, b: { mode: 0o600 } });
    const { uid, gid, mode } = lab.view(image).lstat("/o/a") ?? {};
    expect({ uid, gid, mode }).toEqual({ uid: 0, gid: 0, mode: 0o4711 });
    expect(lab.view(image).lstat("/o/b")?.mode).toBe(0o600);
  });

  test.each([
    ["app", 1001, 1002],
    ["app:staff", 1001, 50],
    ["12", 12, 12],
    ["12:34", 12, 34],
    ["$who:staff", 1001, 50],
  ])("--chown=%s", async (chown, uid, gid) => {
    const { image } = await build(`ENV who=app\nCOPY --chown=${chown} d /c`, tree);
    for (const path of ["/c", "/c/x", "/c/sub/y", "/c/link"]) {
      expect([lab.view(image).lstat(path)?.uid, lab.view(image).lstat(path)?.gid]).toEqual([uid, gid]);
    }
  });

  test("--chmod", async () => {
    const { image } = await build("COPY --chmod=0751 a /m", { a: "1" });
    expect(lab.view(image).lstat("/m")?.mode).toBe(0o751);
    expect(await failure("COPY --chmod=99 a /m", { a: "1" })).toContain("invalid chmod parameter: '99'");
  });
});

describe("refused", () => {
  test.each([
    ["COPY ../x /", "COPY failed: forbidden path outside the build context: ../x ()"],
    ["COPY d/../../x /", "forbidden path outside the build context: d/../../x ()"],
    [
      "COPY nope /",
      "COPY failed: file not found in build context or excluded by .dockerignore: stat nope: file does not exist",
    ],
    ["ADD nope /", "ADD failed: file not found in build context"],
    ["COPY q* /", "COPY failed: no source files were specified"],
    [
      "COPY a d /x",
      "When using COPY with more than one source file, the destination must be a directory and end with a /",
    ],
    ["COPY d /etc/passwd", "cannot copy to non-directory: /etc/passwd"],
    ["COPY a /etc/passwd/x", "cannot copy to non-directory: /etc/passwd"],
    ["RUN mkdir /f && mkdir /f/x\nCOPY d /f", "cannot replace to directory /f/x with file"],
    ["COPY out /", "stat out: file does not exist"],
    ["COPY abs /", "stat abs: file does not exist"],
    ["COPY loop /", "too many levels of symbolic links"],
    ["COPY a /.wh.a", "/.wh.a: a name that begins with .wh. cannot be in a layer"],
    ["COPY [ /", "syntax error in pattern: ["],
    ["COPY --parents a /", "COPY --parents is not supported yet"],
  ])("%s", async (lines, message) => {
    const links = {
      out: { type: "symlink" as const, link: "../../../../../../etc/hostname" },
      abs: { type: "symlink" as const, link: "/etc/hostname" },
    };
    const files = { a: "1", ...tree, ...links, loop: { type: "symlink" as const, link: "loop" } };
    const got = await failure(lines, files);
    expect(got).toContain(message);
  });

  test("names that climb out of the context's tar", async () => {
    const got = await failure("COPY . /", { "../../escape": "x" });
    expect(got).toContain("escape");
    expect(got).not.toBe("no failure");
  });

  test("a link in the context that leads out stays a link", async () => {
    const { image } = await build("COPY . /c", { l: { type: "symlink", link: "/etc/shadow" } });
    expect(lab.view(image).lstat("/c/l")?.link).toBe("/etc/shadow");
  });
});

describe("ADD", () => {
  const inner = (): Promise<Buffer> =>
    bytesOf(tarOf({ "top/": { mode: 0o711 }, "top/f": { text: "in", uid: 9, gid: 10, mtimeSec: 1_000_000_000 } }));

  test.each(["tar", "gzip", "zstd"])("unpacks an archive: %s", async (kind) => {
    const tar = await inner();
    const packed = kind === "gzip" ? gzipSync(tar) : kind === "zstd" ? zstdCompressSync(tar) : tar;
    const { image } = await build("ADD data /dst\nCOPY data /copied\nADD --unpack=false data /added", { data: packed });
    const { uid, gid, mtimeMs } = lab.view(image).lstat("/dst/top/f") ?? {};
    expect({ uid, gid, mtimeMs }).toEqual({ uid: 9, gid: 10, mtimeMs: 1e12 });
    expect(lab.view(image).lstat("/dst/top")?.mode).toBe(0o711);
    expect(lab.view(image).lstat("/copied")?.size).toBe(packed.length);
    expect(lab.view(image).lstat("/added")?.size).toBe(packed.length);
  });

  test("a root file system keeps its hard links and attributes, the same on two data roots", async () => {
    await using other = await Lab.open();
    const capability = Buffer.from("0100000200040000000000000000000000000000", "hex");
    const rootfs = await bytesOf(
      tarOf({
        "bin/": {},
        "bin/a": { text: "a", xattrs: new Map([["security.capability", capability]]) },
        "bin/b": { type: "link", link: "bin/a" },
      }),
    );
    const files = { Dockerfile: "FROM scratch\nADD rootfs.tar /\n", "rootfs.tar": rootfs };
    const { image } = await lab.build(files);
    const layer = await bytesOf(lab.deps.layers.diff(image.top ?? "sha256:"));
    expect(layer.includes("SCHILY.xattr.security.capability")).toBe(true);
    const view = lab.view(image);
    const inode = (path: string) => statSync(view.lstat(path)?.hostPath ?? "").ino;
    expect(inode("/bin/a")).toBe(inode("/bin/b"));
    expect((await other.build(files)).image.top).toBe(image.top);
  });

  test("what only looks like an archive is copied", async () => {
    const { image } = await build("ADD x.tar.gz y.tar /d/", {
      "x.tar.gz": Buffer.from([0x1f, 0x8b, 8, 1, 2]),
      "y.tar": "no",
    });
    expect(lab.view(image).lstat("/d/x.tar.gz")?.size).toBe(5);
    expect(lab.text(image, "/d/y.tar")).toBe("no");
  });

  test("a hostile archive stays inside its folder", async () => {
    const evil = await bytesOf(tarOf({ out: { type: "symlink", link: "/etc" }, "out/passwd": "pwned" }));
    const ended = await build("ADD evil /dst/", { evil }).then(
      ({ image }) => lab.text(image, "/etc/passwd"),
      messageOf,
    );
    expect(ended).not.toBe("pwned");
    const climbing = await bytesOf(tarOf({ "../../x": "pwned" }));
    expect(await failure("ADD evil /dst/", { evil: climbing })).not.toBe("no failure");
  });

  test("a URL: name, mode, checksum, status", async () => {
    const server = createServer((request, response) => {
      response.statusCode = request.url === "/missing" ? 404 : 200;
      response.end("fetched");
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const { image } = await build(`ADD ${url}/p/file.bin?q=1 /dst/\nADD ${url}/x /named`);
      expect(lab.text(image, "/dst/file.bin")).toBe("fetched");
      expect(lab.view(image).lstat("/named")?.mode).toBe(0o600);
      expect(await failure(`ADD ${url}/missing /x`)).toContain(`ADD failed: failed to GET ${url}/missing: status 404`);
      const wrong = `sha256:${"0".repeat(64)}`;
      expect(await failure(`ADD --checksum=${wrong} ${url}/x /x`)).toContain("digest mismatch sha256:");
      expect(await failure(`ADD ${url}/ /dst/`)).toContain("cannot determine filename");
    } finally {
      server.close();
    }
    expect(await failure(`ADD ${url}/x /x`)).toContain("ADD failed: failed to GET");
  });
});

describe("what few files have", () => {
  const capability = Buffer.from("0100000200040000000000000000000000000000", "hex");
  const rare = {
    "d/": { xattrs: new Map([["user.of", Buffer.from("folder")]]) },
    "d/tool": { text: "tool", mode: 0o755, xattrs: new Map([["security.capability", capability]]) },
    "d/twin": { type: "link" as const, link: "d/tool" },
    "d/sub/": {},
    "d/sub/third": { type: "link" as const, link: "d/tool" },
  };
  const seen = (built: Built, path: string): { attributes: Record<string, string>; inode: number } => {
    const entry = lab.view(built.image).lstat(path, { xattrs: true });
    const attributes = [...(entry?.xattrs ?? [])].map(([name, value]): [string, string] => [
      name,
      value.toString("hex"),
    ]);
    return { attributes: Object.fromEntries(attributes), inode: statSync(entry?.hostPath ?? "").ino };
  };

  test.each([
    ["from a stage", "/to", "FROM scratch AS made\nADD rare.tar /\nFROM base\nCOPY --from=made /d /to\n"],
    ["from an archive over layers", "/x/d", "FROM base\nADD rare.tar /x\n"],
    [
      "with another owner",
      "/to",
      "FROM scratch AS made\nADD rare.tar /\nFROM base\nCOPY --from=made --chown=7:7 /d /to\n",
    ],
  ])("hard links and attributes come with a copy %s", async (_, at, Dockerfile) => {
    const built = await lab.build({ Dockerfile, "rare.tar": await bytesOf(tarOf(rare)) });
    const tool = seen(built, `${at}/tool`);
    expect(tool.attributes).toEqual({ "security.capability": capability.toString("hex") });
    expect([seen(built, `${at}/twin`), seen(built, `${at}/sub/third`)]).toEqual([tool, tool]);
  });

  test("a name that another source takes is that source's; the others stay one file", async () => {
    const Dockerfile =
      "FROM scratch AS made\nADD rare.tar /\nFROM base\nCOPY --from=made /d/twin /d/tool /to/\nCOPY --from=made /d /both\nCOPY tool /both/\n";
    const built = await lab.build({ Dockerfile, "rare.tar": await bytesOf(tarOf(rare)), tool: "other" });
    expect(lab.text(built.image, "/both/tool")).toBe("other");
    expect(lab.text(built.image, "/both/twin")).toBe("tool");
    expect(seen(built, "/both/twin").inode).toBe(seen(built, "/both/sub/third").inode);
    expect(lab.text(built.image, "/to/twin")).toBe("tool");
  });

  test("an attribute or a link more is another layer, the same ones the same", async () => {
    const Dockerfile = "FROM scratch AS made\nADD rare.tar /\nFROM base\nCOPY --from=made /d /again\n";
    const top = async (files: Record<string, FileSpec>): Promise<unknown> =>
      (await lab.build({ Dockerfile, "rare.tar": await bytesOf(tarOf(files)) })).image.top;
    const plain = { ...rare, "d/tool": { text: "tool", mode: 0o755 } };
    const apart = { ...rare, "d/twin": { ...rare["d/tool"] } };
    const tops = [await top(rare), await top(plain), await top(apart)];
    expect(new Set(tops).size).toBe(3);
    expect(await top({ ...rare })).toBe(tops[0]);
  });
});

describe("reproducible", () => {
  test("the same content gives the same layer, whatever the order and times of the context", async () => {
    await using other = await Lab.open();
    const Dockerfile = "FROM scratch\nCOPY . /c\n";
    const one = await lab.build({ Dockerfile, b: "2", a: { text: "1", mtimeSec: 1_600_000_000 } });
    const two = await other.build({ a: "1", Dockerfile, b: { text: "2", uid: 5, mtimeSec: 1_650_000_000 } });
    expect(two.image.config.rootfs.diff_ids).toEqual(one.image.config.rootfs.diff_ids);
    expect(one.image.config.rootfs.diff_ids).toHaveLength(1);
  });

  test("SOURCE_DATE_EPOCH fixes all times and with them the image", async () => {
    await using other = await Lab.open();
    const Dockerfile = 'FROM scratch\nCOPY a /a\nWORKDIR /w\nCMD ["a"]\n';
    const options = { buildArgs: { SOURCE_DATE_EPOCH: "1500000000" } };
    const one = await lab.build({ Dockerfile, a: "1" }, options);
    const two = await other.build({ Dockerfile, a: "1" }, options);
    expect(two.image.id).toBe(one.image.id);
    expect(one.image.config.created).toBe("2017-07-14T02:40:00.000Z");
    expect(lab.view(one.image).lstat("/a")?.mtimeMs).toBe(1_500_000_000_000);
  });
});

describe("names that are not UTF-8", () => {
  test("are copied, matched, ignored, and go from stage to stage", async () => {
    const raw = (name: string): string => decodeName(Buffer.from(name, "latin1"));
    const files = {
      ".dockerignore": "drop*\n",
      [raw("caf\xe9")]: "1",
      [raw("drop\xe9")]: "2",
      [raw("dir\xff/")]: {},
      [raw("dir\xff/in\xfe")]: "3",
      [raw("big\xe9")]: "4".repeat(300_000),
    };
    const Dockerfile = "FROM scratch AS one\nCOPY . /all/\nFROM base\nCOPY --from=one /all /all\nCOPY caf? /one/\n";
    const { image } = await lab.build({ Dockerfile, ...files });
    const names = lab.view(image).readdir("/all");
    expect(names.filter((name) => !name.isWellFormed()).sort()).toEqual([
      raw("big\xe9"),
      raw("caf\xe9"),
      raw("dir\xff"),
    ]);
    expect(lab.text(image, raw("/all/dir\xff/in\xfe"))).toBe("3");
    expect(lab.text(image, raw("/all/big\xe9"))).toHaveLength(300_000);
    expect(lab.text(image, raw("/one/caf\xe9"))).toBe("1");
  });
});
