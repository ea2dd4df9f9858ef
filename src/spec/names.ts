/**
 * File names are bytes to Linux and strings to us. Valid UTF-8 becomes the obvious string; any other byte `b` becomes the lone
 * surrogate U+DC00+b, which no valid UTF-8 decodes to, so that every name survives a round trip.
 */
const ESCAPE = 0xdc00;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The string for a name's bytes. */
export function decodeName(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  return text.includes("\ufffd") ? decodeCarefully(bytes) : text;
}

/** The bytes of a name. */
export function encodeName(name: string): Buffer {
  if (name.isWellFormed()) return Buffer.from(name, "utf8");
  const parts: Buffer[] = [];
  for (const char of name) {
    const code = char.codePointAt(0) ?? 0;
    parts.push(code >= ESCAPE && code <= 0xdfff ? Buffer.of(code & 0xff) : Buffer.from(char, "utf8"));
  }
  return Buffer.concat(parts);
}

/** The name as a system call takes it: the string itself wherever UTF-8 can say it. */
export function sysName(name: string): string | Buffer {
  return name.isWellFormed() ? name : encodeName(name);
}

/** Order of names by their bytes, so that archives are the same on every machine. */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0;
  return Buffer.compare(encodeName(a), encodeName(b));
}

/** Order of paths as a walk meets them that sorts each folder's names by their bytes: what is in a folder comes right behind it. */
export function comparePaths(a: string, b: string): number {
  return compareNames(a.replaceAll("/", "\0"), b.replaceAll("/", "\0"));
}

function decodeCarefully(bytes: Buffer): string {
  let out = "";
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at] ?? 0;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const piece = tryDecode(bytes.subarray(at, at + length));
    out += piece ?? String.fromCharCode(ESCAPE + lead);
    at += piece === undefined ? 1 : length;
  }
  return out;
}

function tryDecode(bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    // Not a whole UTF-8 character: the caller escapes its first byte.
    return undefined;
  }
}
