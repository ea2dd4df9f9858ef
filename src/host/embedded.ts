import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import helperFile from "../../.build/berth-helper" with { type: "file" };
import { ensureDir, writeAtomic } from "./files.ts";
import type { NativeKernel, NativeSys } from "./sys-types.ts";

const HASH_LENGTH = 16;
/** Where the bundler puts embedded files: readable by this process, not executable by anybody. */
const VIRTUAL_ROOT = "/$bunfs/";

let loaded: (NativeSys & NativeKernel) | undefined;

/**
 * The N-API addon sys.node, loaded at the first call: the command line never pays for it. The literal path makes the bundler embed
 * the addon into the compiled executable; in development it is .build/sys.node, made by tools/build-native.
 */
export function addon(): NativeSys & NativeKernel {
  loaded ??= require("../../.build/sys.node") as NativeSys & NativeKernel;
  return loaded;
}

/**
 * The absolute path of berth-helper as a file that can be executed. From the compiled executable it is copied once to
 * `dir/berth-helper-<hash>` (mode 0755; made whole or not at all, so several daemons may share `dir`); in development it is .build/berth-helper.
 */
export function helperPath(dir: string): string {
  if (!helperFile.startsWith(VIRTUAL_ROOT)) return helperFile;
  const bytes = readFileSync(helperFile);
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, HASH_LENGTH);
  const path = join(dir, `berth-helper-${hash}`);
  if (existsSync(path)) return path;
  ensureDir(dir);
  writeAtomic(path, bytes, { mode: 0o755 });
  return path;
}
