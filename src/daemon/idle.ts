import type { Activity } from "./http/listen.ts";

/** Watches how long a daemon has had nothing to do. Requests are work from their begin to their end. */
export interface IdleWatch extends Activity {
  /** Resolves after `after` milliseconds without work; never where `after` is 0. */
  idle: Promise<string>;
  stop(): void;
}

const LEAST_STEP_MS = 50;
const STEPS = 10;

/** `busy` is asked before leaving: work that no request stands for. */
export function watchIdle(options: { after: number; busy: () => boolean }): IdleWatch {
  let open = 0;
  let last = Date.now();
  const { promise: idle, resolve } = Promise.withResolvers<string>();
  const check = (): void => {
    if (open > 0 || options.busy()) last = Date.now();
    else if (Date.now() - last >= options.after) resolve(`idle for ${Math.round(options.after / 1000)} seconds`);
  };
  const timer = options.after > 0 ? setInterval(check, Math.max(LEAST_STEP_MS, options.after / STEPS)) : undefined;
  return {
    idle,
    stop: () => clearInterval(timer),
    began: () => {
      open++;
    },
    ended: () => {
      open--;
      last = Date.now();
    },
  };
}
