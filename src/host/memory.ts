import { addon } from "./embedded.ts";

/** Collects all garbage and gives free memory back to the system. Stops the program for some milliseconds. */
export function collectGarbage(): void {
  Bun.gc(true);
}

/**
 * Unmaps the executable's code (madvise(2), MADV_DONTNEED). What is used again comes back from the page cache, page by page, so that what only
 * the start of the program needed no longer counts as its memory.
 */
export function dropCode(): void {
  addon().dropCode();
}
