// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import type { Image } from "../../image/types.ts";
import { BerthError } from "../../spec/errors.ts";
import { bytesOf, type FileSpec, Lab, tarOf } from "../lab.test.ts";

/** The image that every case copies into; the peer had the same. */
const BASE: Record<string, FileSpec> = {
  "bin/": {},
  "etc/": {},
  "etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1001:1002::/home/app:/bin/sh\n",
  "etc/group": "root:x:0:\nstaff:x:50:\n",
  "dir/": { mode: 0o711, uid: 7, gid: 8 },
  "dir/old": { text: "old", uid: 7 },
  file: { text: "file", uid: 9, mode: 0o600 },
  link: { type: "symlink", link: "dir" },
  flink: { type: "symlink", link: "file" },
  dangling: { type: "symlink", link: "/made/there" },
  "tmp/": { mode: 0o1777 },
};
const INNER = await bytesOf(
  tarOf({
    "top/": { mode: 0o711, uid: 9, gid: 10 },
    "top/f": { text: "in", uid: 9, gid: 10 },
    "top/l": { type: "symlink", link: "f" },
  }),
);
const CONTEXT: Record<string, FileSpec> = {
  a: "A",
  "b.txt": { text: "B", mode: 0o600 },
  "c.txt": { text: "C", mode: 0o4755 },
  "sp ace": "S",
  la: { type: "symlink", link: "a" },
  ld: { type: "symlink", link: "d" },
  out: { type: "symlink", link: "/etc/passwd" },
  "d/": { mode: 0o750 },
  "d/x": "X",
  "d/.hid": "H",
  "d/sub/": { mode: 0o2770 },
  "d/sub/y": { text: "Y", mode: 0o640 },
  "d/empty/": { mode: 0o700 },
  "d/lx": { type: "symlink", link: "x" },
  "d/lout": { type: "symlink", link: "../../../etc/shadow" },
  "e/": {},
  "e/x": "EX",
  "e/z.txt": "EZ",
  "t.tar": INNER,
};

/** `testdata/matrix.txt`: a line `> instructions`, then what Docker 28.5 makes of them: the entries that differ from the base, or `error`. */
const GOLDEN = readFileSync(join(import.meta.dir, "testdata/matrix.txt"), "utf8")
  .split(/^> /m)
  .slice(1)
  .map((part): [string, string[]] => {
    const [lines = "", ...entries] = part.trimEnd().split("\n");
    return [lines.replaceAll(" | ", "\n"), entries];
  });

let lab: Lab;
let before: Map<string, string>;

beforeAll(async () => {
  lab = await Lab.open();
  await lab.deps.images.importTar(tarOf(BASE), { reference: "tree", run: { Env: ["PATH=/bin"] } });
  before = listing(lab.deps.images.resolve("tree"));
});
afterAll(() => lab[Symbol.asyncDispose]());

/** Every entry of the image as a line: name, kind, mode, owner, content. */
function listing(image: Image): Map<string, string> {
  const view = lab.view(image);
  const lines = new Map<string, string>();
  const walk = (folder: string): void => {
    for (const name of view.readdir(folder)) {
      const path = posix.join(folder, name);
      const entry = view.lstat(path);
      if (!entry || path.endsWith("Dockerfile")) continue;
      const owner = `${entry.uid}:${entry.gid}`;
      if (entry.type === "symlink") lines.set(path, `${path} link ${owner} -> ${entry.link}`);
      else {
        const text = entry.type === "file" ? ` ${contentOf(view.readFile(path) ?? Buffer.alloc(0))}` : "";
        lines.set(path, `${path} ${entry.type} ${(entry.mode & 0o7777).toString(8)} ${owner}${text}`);
      }
      if (entry.type === "dir") walk(path);
    }
  };
  walk("/");
  return lines;
}

function contentOf(bytes: Buffer): string {
  if (bytes.equals(INNER)) return "the archive";
  return bytes.length < 100 ? JSON.stringify(bytes.toString()) : createHash("sha256").update(bytes).digest("hex");
}

async function outcome(lines: string): Promise<string[]> {
  try {
    const { image } = await lab.build({ ...CONTEXT, Dockerfile: `FROM tree\n${lines}\n` });
    const after = listing(image);
    const gone = [...before.keys()].filter((path) => !after.has(path)).map((path) => `gone ${path}`);
    return [...[...after.values()].filter((line) => before.get(line.split(" ", 1)[0] ?? "") !== line), ...gone].sort();
  } catch (error) {
    if (!(error instanceof BerthError)) throw error;
    return ["error"];
  }
}

test.each(GOLDEN)("%j gives what Docker's builder gives", async (lines, entries) => {
  expect(await outcome(lines)).toEqual([...entries].sort());
});

test("the matrix is all there", () => {
  expect(GOLDEN.length).toBeGreaterThan(190);
  expect(GOLDEN.filter(([, entries]) => entries[0] === "error").length).toBeGreaterThan(25);
});
