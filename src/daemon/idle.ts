/** Watches how long a daemon has had nothing to do. */
export interface IdleWatch {
  /** Counts the requests that pass through `handler` as work until their connection's part in them has ended (their signal aborts). */
  track<Request extends { signal: AbortSignal }, Response>(
    handler: (request: Request) => Promise<Response>,
  ): (request: Request) => Promise<Response>;
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
  const ended = (): void => {
    open--;
    last = Date.now();
  };
  return {
    idle,
    stop: () => clearInterval(timer),
    track: (handler) => (request) => {
      open++;
      request.signal.addEventListener("abort", ended, { once: true });
      return handler(request);
    },
  };
}
