import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { ApkEntry } from "./index.ts";
import { damaged, gzipMember, tarFiles } from "./segments.ts";

/** A package's file after it was checked against the index. */
export interface ApkPackage {
  entry: ApkEntry;
  /** By name without the dot: `pre-install`, `post-install`, `trigger`, … as they are in the control part. */
  scripts: Map<string, Buffer>;
  /** Folders (shell patterns) in which a change makes its trigger run. */
  triggers: string[];
  /** Further lines of the database of what is installed. */
  replaces: string[];
  /** Its files: a tar, compressed. */
  data(): AsyncIterable<Uint8Array>;
}

/** Signature and control part together are far smaller than this. */
const MAX_HEAD = 8 << 20;
const MAX_CONTROL = 16 << 20;

/**
 * Checks a .apk file (apk-v2(5): a member with signatures, one with control data, one with files) against its entry: the checksum of the control part, and with the `datahash` in
 * that the SHA-256 of the files. Throws `unavailable` where it is another package than the index means.
 */
export async function openPackage(path: string, entry: ApkEntry): Promise<ApkPackage> {
  const head = await headOf(path);
  const first = gzipMember(head, MAX_CONTROL);
  const isSigned = first.plain.toString("latin1", 0, ".SIGN.".length) === ".SIGN.";
  const start = isSigned ? first.length : 0;
  const control = isSigned ? gzipMember(head.subarray(start), MAX_CONTROL) : first;
  const end = start + control.length;
  const [kind, want] = [entry.checksum.slice(0, 2), entry.checksum.slice(2)];
  const hash = createHash(kind === "Q1" ? "sha1" : "sha256")
    .update(head.subarray(start, end))
    .digest("base64");
  if (hash !== want) throw damaged("its control data is not what the index says");
  const files = await tarFiles(control.plain, MAX_CONTROL);
  const info = parseInfo(files.get(".PKGINFO")?.toString() ?? "");
  const data = (): AsyncIterable<Uint8Array> => createReadStream(path, { start: end, highWaterMark: 256 * 1024 });
  await checkData(data(), info.get("datahash")?.[0]);
  return {
    entry,
    scripts: new Map([...files].filter(([name]) => name !== ".PKGINFO").map(([name, text]) => [name.slice(1), text])),
    triggers: (info.get("triggers") ?? []).flatMap((line) => line.split(" ")).filter((word) => word.startsWith("/")),
    replaces: [
      ...(info.has("replaces") ? [`r:${info.get("replaces")?.join(" ")}`] : []),
      ...(info.has("replaces_priority") ? [`q:${info.get("replaces_priority")?.[0]}`] : []),
    ],
    data,
  };
}

async function headOf(path: string): Promise<Buffer> {
  await using file = await open(path, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_HEAD), 0, MAX_HEAD, 0);
  return buffer.subarray(0, bytesRead);
}

/** `key = value` lines; a key may come several times. */
function parseInfo(text: string): Map<string, string[]> {
  const info = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [, key = "", value = ""] = /^(\w+) = (.*)$/.exec(line) ?? [];
    if (key !== "") info.set(key, [...(info.get(key) ?? []), value]);
  }
  return info;
}

async function checkData(data: AsyncIterable<Uint8Array>, want: string | undefined): Promise<void> {
  const hash = createHash("sha256");
  for await (const chunk of data) hash.update(chunk);
  if (want === undefined || hash.digest("hex") !== want) throw damaged("its files are not what its control data says");
}
