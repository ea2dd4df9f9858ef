import type { Activity } from "./http/listen.ts";

/** Watches how long a daemon has had nothing to do. Requests are work from their begin to their end. */
export interface IdleWatch extends Activity {
  /** Resolves after `after` milliseconds without work; never where `after` is 0. */
  idle: Promise<string>;
  stop(): void;
}

const LEAST_STEP_MS = 50;
const STEPS = 10;
/** Long enough that a script's next command comes earlier: a pause in its middle would be noticed. */
const REST_MS = 2000;
/** Work that never rests is stopped for it after so many requests, some fifty runs, and at most so often: it takes as long as hundreds of them. */
const REST_REQUESTS = 250;
const BURST_MS = 500;

/**
 * `busy` is asked before leaving: work that no request stands for. `rest` is called after each burst of requests, when none has begun or ended for
 * some seconds, and within a long one after every so many; streams that stay open do not count.
 */
export function watchIdle(options: { after: number; busy: () => boolean; rest: () => void }): IdleWatch {
  let open = 0;
  let last = Date.now();
  let unrested = 0;
  let rested = Date.now();
  const rest = (): void => {
    unrested = 0;
    rested = Date.now();
    options.rest();
  };
  const resting = setTimeout(rest, REST_MS).unref();
  const { promise: idle, resolve } = Promise.withResolvers<string>();
  const check = (): void => {
    if (open > 0 || options.busy()) last = Date.now();
    else if (Date.now() - last >= options.after) resolve(`idle for ${Math.round(options.after / 1000)} seconds`);
  };
  const timer = options.after > 0 ? setInterval(check, Math.max(LEAST_STEP_MS, options.after / STEPS)) : undefined;
  return {
    idle,
    stop: () => {
      clearInterval(timer);
      clearTimeout(resting);
    },
    began: () => {
      open++;
      resting.refresh();
    },
    ended: () => {
      open--;
      last = Date.now();
      if (++unrested >= REST_REQUESTS && last - rested >= BURST_MS) rest();
      resting.refresh();
    },
  };
}
