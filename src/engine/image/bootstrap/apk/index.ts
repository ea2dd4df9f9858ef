import { createPublicKey, verify } from "node:crypto";
import { BerthError } from "../../../../spec/errors.ts";
import { damaged, gzipMember, tarFiles } from "./segments.ts";

/** One package as an index describes it. */
export interface ApkEntry {
  name: string;
  version: string;
  /** `Q1` and the base64 of the SHA-1, or `Q2` and that of the SHA-256, of the package's control part. */
  checksum: string;
  /** Bytes of the .apk file. */
  size: number;
  depends: string[];
  provides: string[];
  /** The package comes by itself when all of these are there. */
  installIf: string[];
  /** Among several that provide a name the greatest is taken. */
  priority: number;
  /** Its lines, as they go into the database of what is installed. */
  raw: string;
  /** Where its file is: the repository's URL with the architecture. */
  base: string;
}

/** A repository's index after its signature was checked. */
export interface ApkIndex {
  /** What the repository calls itself, such as `v3.20.3-12-g0123abc`. */
  description: string;
  entries: ApkEntry[];
}

/** Public keys that are trusted, PEM by name. `given`: a person named them, so that one need not have the name that a signature says. */
export interface TrustedKeys {
  byName: ReadonlyMap<string, string>;
  given: boolean;
}

const MAX_SIGNATURES = 1 << 20;
const MAX_INDEX = 256 << 20;
const MAX_PACKAGES = 500_000;
const HASHES: Record<string, string> = { RSA: "RSA-SHA1", RSA256: "RSA-SHA256", RSA512: "RSA-SHA512" };
const NAME = /^[A-Za-z0-9_][\w.+-]*$/;
const VERSION = /^[0-9][\w.~+-]*$/;

/**
 * An APKINDEX.tar.gz (apk-v2(5)): a member with signatures `.SIGN.RSA.KEY`, and then, signed as it stands, one with DESCRIPTION and APKINDEX. One good signature by a
 * trusted key is enough; without it, or where the index is not well formed, this throws `unavailable`.
 */
export async function readIndex(bytes: Buffer, keys: TrustedKeys, base: string): Promise<ApkIndex> {
  const first = gzipMember(bytes, MAX_SIGNATURES);
  const signed = bytes.subarray(first.length);
  checkSignatures(await tarFiles(first.plain, MAX_SIGNATURES), signed, keys);
  const second = gzipMember(signed, MAX_INDEX);
  if (second.length !== signed.length) throw damaged("something follows the index");
  const files = await tarFiles(second.plain, MAX_INDEX);
  const text = files.get("APKINDEX")?.toString();
  if (text === undefined) throw damaged("it has no APKINDEX");
  const stanzas = text.split(/\n\n+/).filter((stanza) => stanza.trim() !== "");
  if (stanzas.length > MAX_PACKAGES) throw damaged("it lists too many packages");
  return {
    description: files.get("DESCRIPTION")?.toString().trim() ?? "",
    entries: stanzas.map((stanza) => parseStanza(stanza.trim(), base)),
  };
}

function checkSignatures(files: Map<string, Buffer>, signed: Buffer, keys: TrustedKeys): void {
  const unknown: string[] = [];
  let wrong = "";
  for (const [path, signature] of files) {
    const [, kind = "", name = ""] = /^\.SIGN\.([A-Z0-9]+)\.(.+)$/.exec(path) ?? [];
    const hash = HASHES[kind];
    if (!hash) continue;
    const named = keys.byName.get(name);
    const candidates = named ? [named] : keys.given ? [...keys.byName.values()] : [];
    if (candidates.length === 0) unknown.push(name);
    else if (candidates.some((pem) => isSignedBy(signed, signature, { pem, hash }))) return;
    else wrong = name;
  }
  if (wrong !== "") throw new BerthError("unavailable", `the signature by ${JSON.stringify(wrong)} is not good`);
  if (unknown.length === 0) throw new BerthError("unavailable", "the index is not signed");
  throw new BerthError("unavailable", `it is signed by ${JSON.stringify(unknown[0])}, which is not trusted here`, {
    hint: "name the mirror's key with --key, or put it into /etc/apk/keys",
  });
}

function isSignedBy(signed: Buffer, signature: Buffer, by: { pem: string; hash: string }): boolean {
  try {
    return verify(by.hash, signed, createPublicKey(by.pem), signature);
  } catch {
    return false; // No key, or not one of this kind.
  }
}

function parseStanza(stanza: string, base: string): ApkEntry {
  const fields = new Map(stanza.split("\n").map((line) => [line.slice(0, 1), line.slice(2)] as const));
  const words = (key: string): string[] => (fields.get(key) ?? "").split(" ").filter((word) => word !== "");
  const [name = "", version = "", checksum = ""] = ["P", "V", "C"].map((key) => fields.get(key));
  const size = Number(fields.get("S"));
  if (!NAME.test(name) || !VERSION.test(version) || !/^Q[12]\S+$/.test(checksum) || !Number.isSafeInteger(size)) {
    throw damaged(`its entry ${JSON.stringify(`${name}-${version}`.slice(0, 100))} is not well formed`);
  }
  return {
    ...{ name, version, checksum, size, base, raw: stanza },
    depends: words("D"),
    provides: words("p"),
    installIf: words("i"),
    priority: Number(fields.get("k")) || 0,
  };
}
