import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { join, posix } from "node:path";
import { BerthError, messageOf } from "../../spec/errors.ts";
import { readPieces, type Source } from "./source.ts";

/** True for the sources that ADD fetches. */
export function isUrl(source: string): boolean {
  return /^https?:\/\//i.test(source);
}

/**
 * Fetches a URL of ADD into a file of `folder`. The file gets mode 0600 and the server's Last-Modified time, or none. The name comes from the URL's
 * path. Throws `unavailable` with Docker's words.
 */
export async function fetchSource(url: string, folder: string, signal?: AbortSignal): Promise<Source> {
  const name = nameOf(url);
  const file = join(folder, createHash("sha256").update(url).digest("hex"));
  let size = 0;
  let modified = 0;
  try {
    const response = await fetch(url, signal ? { signal } : {});
    if (!response.ok || !response.body) throw new Error(`status ${response.status} ${response.statusText}`.trim());
    modified = Date.parse(response.headers.get("last-modified") ?? "") || 0;
    await using out = await open(file, "w", 0o600);
    for await (const piece of response.body) {
      await out.writeFile(piece);
      size += piece.length;
    }
  } catch (cause) {
    throw new BerthError("unavailable", `failed to GET ${url}: ${messageOf(cause)}`, { cause });
  }
  const entry = { path: "", type: "file" as const, mode: 0o600, uid: 0, gid: 0, size };
  return { name, entries: [{ ...entry, mtime: Math.floor(modified / 1000), read: () => readPieces(file) }] };
}

function nameOf(url: string): string {
  const name = URL.canParse(url) ? posix.basename(decodeURIComponent(new URL(url).pathname)) : "";
  if (name === "" || name === ".." || name.includes("/") || name.includes("\0")) {
    throw new BerthError("invalid-argument", `cannot determine filename for source ${url}`, {
      hint: "name the file in the destination",
    });
  }
  return name;
}
