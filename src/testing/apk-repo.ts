import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { runOk } from "../host/spawn.ts";

/** A package to be built. A file whose text begins with `-> ` is a symbolic link; a path that ends in `/` is a folder. */
export interface ApkSource {
  name: string;
  version: string;
  depends?: string[];
  provides?: string[];
  installIf?: string[];
  priority?: number;
  triggers?: string;
  replaces?: string[];
  scripts?: Record<string, string>;
  /** `host`: a file of this host has the bytes. */
  files?: Record<string, string | { data?: string; host?: string; mode: number; gid?: number }>;
}

/** A signing key as abuild-keygen makes it: RSA, named by its owner. */
export class ApkKey {
  readonly dir = mkdtempSync("/var/tmp/berth-apk-key.");
  readonly name: string;
  publicKey = "";

  private constructor(name: string) {
    this.name = name;
  }

  static async make(name: string): Promise<ApkKey> {
    const key = new ApkKey(name);
    await runOk(["openssl", "genrsa", "-out", key.#file, "2048"]);
    key.publicKey = await runOk(["openssl", "rsa", "-in", key.#file, "-pubout"]);
    return key;
  }

  get #file(): string {
    return join(this.dir, "key");
  }

  /** abuild-sign: a member with the signature of `bytes` before them. */
  async sign(bytes: Buffer, kind: "RSA" | "RSA256" = "RSA"): Promise<Buffer> {
    writeFileSync(join(this.dir, "input"), bytes);
    const hash = kind === "RSA" ? "-sha1" : "-sha256";
    const name = `.SIGN.${kind}.${this.name}`;
    await runOk(["openssl", "dgst", hash, "-sign", this.#file, "-out", join(this.dir, name), join(this.dir, "input")]);
    return Buffer.concat([gzipSync(await segment(this.dir, [name])), bytes]);
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** One repository, such as `v3.20/main`, below `root`: its packages for x86_64 and their signed index. */
export async function apkRepo(
  root: string,
  options: { part: string; key: ApkKey; packages: ApkSource[]; description?: string },
): Promise<void> {
  const dir = join(root, options.part, "x86_64");
  mkdirSync(dir, { recursive: true });
  const stanzas: string[] = [];
  for (const source of options.packages) {
    const { file, stanza } = await buildApk(source, options.key);
    writeFileSync(join(dir, `${source.name}-${source.version}.apk`), file);
    stanzas.push(stanza);
  }
  const index = await indexOf(stanzas, options.description ?? "v3.20.3-1-g0123abc");
  writeFileSync(join(dir, "APKINDEX.tar.gz"), await options.key.sign(index));
}

/** The index's second member: DESCRIPTION and APKINDEX. */
export async function indexOf(stanzas: string[], description: string): Promise<Buffer> {
  const work = mkdtempSync("/var/tmp/berth-apk.");
  try {
    writeFileSync(join(work, "DESCRIPTION"), description);
    writeFileSync(join(work, "APKINDEX"), `${stanzas.join("\n\n")}\n\n`);
    return gzipSync(await runTar(work, ["DESCRIPTION", "APKINDEX"]));
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** A .apk file as abuild makes it, and its lines of the index. */
export async function buildApk(source: ApkSource, key: ApkKey): Promise<{ file: Buffer; stanza: string }> {
  const work = mkdtempSync("/var/tmp/berth-apk.");
  try {
    const data = gzipSync(await dataTar(join(work, "data"), source));
    const control = join(work, "control");
    mkdirSync(control);
    const names = [".PKGINFO", ...Object.keys(source.scripts ?? {}).map((kind) => `.${kind}`)];
    writeFileSync(join(control, ".PKGINFO"), info(source, createHash("sha256").update(data).digest("hex")));
    for (const [kind, text] of Object.entries(source.scripts ?? {})) writeFileSync(join(control, `.${kind}`), text);
    const part = gzipSync(await segment(control, names));
    const file = Buffer.concat([await key.sign(part), data]);
    const checksum = `Q1${createHash("sha1").update(part).digest("base64")}`;
    return { file, stanza: stanza(source, checksum, file.length) };
  } finally {
    rmSync(work, { recursive: true });
  }
}

async function dataTar(dir: string, source: ApkSource): Promise<Buffer> {
  mkdirSync(dir);
  const owners: string[] = [];
  for (const [path, content] of Object.entries(source.files ?? {})) {
    const at = join(dir, path);
    if (path.endsWith("/")) mkdirSync(at, { recursive: true });
    else mkdirSync(dirname(at), { recursive: true });
    if (typeof content === "string" && content.startsWith("-> ")) await runOk(["ln", "-s", content.slice(3), at]);
    else if (!path.endsWith("/")) writeFileSync(at, bytesOf(content));
    if (typeof content !== "string") {
      await runOk(["chmod", content.mode.toString(8), at]);
      if (content.gid) await runOk(["chgrp", String(content.gid), at]);
    }
    owners.push(path);
  }
  const top = [...new Set(owners.map((path) => path.split("/")[0] ?? ""))].sort();
  return runTar(dir, top);
}

function bytesOf(content: string | { data?: string; host?: string }): string | Buffer {
  if (typeof content === "string") return content;
  return content.host === undefined ? (content.data ?? "") : readFileSync(content.host);
}

function info(source: ApkSource, datahash: string): string {
  const lines = [
    ["pkgname", source.name],
    ["pkgver", source.version],
    ["arch", "x86_64"],
    ...(source.depends ?? []).map((d) => ["depend", d]),
    ...(source.provides ?? []).map((p) => ["provides", p]),
    ...(source.replaces ?? []).map((r) => ["replaces", r]),
    ...(source.triggers ? [["triggers", source.triggers]] : []),
    ["datahash", datahash],
  ];
  return `# Generated\n${lines.map(([key, value]) => `${key} = ${value}\n`).join("")}`;
}

function stanza(source: ApkSource, checksum: string, size: number): string {
  const { name, version, depends = [], provides = [], installIf = [], priority } = source;
  return [
    ...[`C:${checksum}`, `P:${name}`, `V:${version}`, "A:x86_64", `S:${size}`, "I:4096", `T:${name}`, "L:MIT"],
    ...(depends.length > 0 ? [`D:${depends.join(" ")}`] : []),
    ...(provides.length > 0 ? [`p:${provides.join(" ")}`] : []),
    ...(installIf.length > 0 ? [`i:${installIf.join(" ")}`] : []),
    ...(priority ? [`k:${priority}`] : []),
  ].join("\n");
}

/** abuild-tar --cut: without the blocks that end an archive. */
async function segment(dir: string, names: string[]): Promise<Buffer> {
  const bytes = await runTar(dir, names);
  let end = bytes.length;
  while (end > 0 && bytes.subarray(end - 512, end).every((b) => b === 0)) end -= 512;
  return bytes.subarray(0, end);
}

async function runTar(dir: string, names: string[]): Promise<Buffer> {
  const out = `${dir}.tar`;
  const fixed = ["--numeric-owner", "--sort=name", "--mtime=@1700000000", "--format=ustar"];
  await runOk([
    "tar",
    "-c",
    "-f",
    out,
    "-C",
    dir,
    ...fixed,
    ...(names.length > 0 ? ["--", ...names] : ["--files-from=/dev/null"]),
  ]);
  const bytes = readFileSync(out);
  rmSync(out);
  return bytes;
}
