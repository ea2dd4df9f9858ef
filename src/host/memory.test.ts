import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dropCode } from "./memory.ts";

/** Resident memory of this process that is pages of files, in KiB. */
function residentFiles(): number {
  return Number(/^RssFile:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}

test("code that is not in use no longer counts as the program's memory, and still runs", () => {
  const sorted = (): string => ["b", "a"].sort((a, b) => a.localeCompare(b)).join("");
  expect(sorted()).toBe("ab");
  const before = residentFiles();
  dropCode();
  expect(residentFiles()).toBeLessThan(before);
  expect(sorted()).toBe("ab");
});
