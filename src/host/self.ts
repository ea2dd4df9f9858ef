import { basename, join } from "node:path";

/** argv that runs this very program again with `args`: the compiled executable, or Bun with the source's entry during development and tests. */
export function selfCommand(...args: string[]): string[] {
  const runner = basename(process.execPath);
  const fromSource = runner === "bun" || runner === "bun.exe" || runner.startsWith("node");
  return fromSource ? [process.execPath, join(import.meta.dir, "../main.ts"), ...args] : [process.execPath, ...args];
}
