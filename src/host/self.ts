import { basename, join } from "node:path";

/**
 * argv that runs this very program again with `args`: the compiled executable, or Bun with the source's entry during development and tests.
 * The executable is named through /proc, so that a daemon whose file was replaced or removed still runs workers of its own version.
 */
export function selfCommand(...args: string[]): string[] {
  const runner = basename(process.execPath);
  const fromSource = runner === "bun" || runner === "bun.exe" || runner.startsWith("node");
  return fromSource ? [process.execPath, join(import.meta.dir, "../main.ts"), ...args] : ["/proc/self/exe", ...args];
}
