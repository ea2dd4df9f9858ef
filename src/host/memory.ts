import { addon } from "./embedded.ts";

/** How many times more often than by default a function must run before it is compiled. */
const JIT_RELUCTANCE = 8;

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

/** For a program that waits far more than it computes: compiled code is made for the hottest functions only. */
export function preferMemory(): void {
  Bun.unsafe.setJITPolicy(JIT_RELUCTANCE);
}
