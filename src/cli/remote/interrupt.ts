import { ExitError } from "../exit.ts";

const ENDING = [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const;

/**
 * Runs work that has to clean up behind itself: a signal that ends the program aborts it, and once it has ended the program ends with the signal's exit code. A second signal ends the program at
 * once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  let code = 0;
  const listeners = ENDING.map(([name, own]) => {
    const listener = (): void => {
      code = own;
      stop.abort();
    };
    process.once(name, listener);
    return () => process.removeListener(name, listener);
  });
  try {
    return await work(stop.signal);
  } catch (error) {
    if (code !== 0) throw new ExitError(code);
    throw error;
  } finally {
    for (const remove of listeners) remove();
  }
}
