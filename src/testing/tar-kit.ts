import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TarHeader } from "../layer/tar/header.ts";
import { tarHeader, writeTar } from "../layer/tar/writer.ts";

/** A folder that goes at the end of its `using`. */
export interface TempDir extends Disposable {
  path: string;
}

/** Makes an empty folder in the system's temporary one. */
export function tempDir(): TempDir {
  const path = mkdtempSync(join(tmpdir(), "berth-layer-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** The buffer as a stream of chunks of at most `size` bytes. */
export async function* chunks(data: Uint8Array, size = 65536): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

/** Runs a program; anything but exit code 0 throws with its stderr. Returns stdout. */
export function sh(argv: string[], options: { cwd?: string; input?: Uint8Array } = {}): Buffer {
  const [file = "", ...args] = argv;
  const done = spawnSync(file, args, { ...options, maxBuffer: 1 << 28 });
  if (done.status !== 0) throw new Error(`${argv.join(" ")}: ${done.stderr}`);
  return done.stdout;
}

/** Runs a bash script with `set -eu`. */
export function script(text: string, cwd: string): string {
  return sh(["bash", "-c", `set -eu\n${text}`], { cwd }).toString();
}

/** An archive of the given headers, in their order; a body's size goes into its header. */
export async function tarOf(items: (Partial<TarHeader> & { path: string; body?: string | Buffer })[]): Promise<Buffer> {
  const list = items.map(({ body, ...parts }) => {
    const bytes = Buffer.from(body ?? "");
    return { header: tarHeader({ size: bytes.length, ...parts }), body: bytes };
  });
  return Buffer.concat(await Array.fromAsync(writeTar(list)));
}

/**
 * GNU tar's view of a tree, in every detail that an archive can hold: names, types, owners, modes, times to the nanosecond, links, attributes,
 * contents. Equal buffers mean equal trees.
 */
export function fingerprint(dir: string): Buffer {
  const attributes = ["--xattrs", "--xattrs-include=*", "--xattrs-exclude=trusted.overlay.*"];
  const stable = ["--sort=name", "--format=posix", "--numeric-owner", "--pax-option=delete=atime,delete=ctime"];
  return sh(["tar", "-C", dir, ...attributes, ...stable, "-cf", "-", "."]);
}
