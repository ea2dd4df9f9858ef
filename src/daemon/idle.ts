/** Watches how long a daemon has had nothing to do. */
export interface IdleWatch {
  /** Counts the requests that pass through `handler` as work until their answer has ended. */
  track<Request, Response>(handler: (request: Request) => Promise<Response>): (request: Request) => Promise<Response>;
  /** Resolves after `after` milliseconds without work; never where `after` is 0. */
  idle: Promise<string>;
  stop(): void;
}

/** `busy` is asked before leaving: work that no request stands for. */
export function watchIdle(options: { after: number; busy: () => boolean }): IdleWatch {
  let open = 0;
  let last = Date.now();
  let resolveIdle: (why: string) => void = () => undefined;
  const idle = new Promise<string>((resolve) => {
    resolveIdle = resolve;
  });
  const check = (): void => {
    if (open > 0 || options.busy()) last = Date.now();
    else if (Date.now() - last >= options.after) resolveIdle(`idle for ${Math.round(options.after / 1000)} seconds`);
  };
  const timer = options.after > 0 ? setInterval(check, Math.max(50, options.after / 10)) : undefined;
  return {
    idle,
    stop: () => clearInterval(timer),
    track: (handler) => async (request) => {
      open++;
      try {
        return await handler(request);
      } finally {
        open--;
        last = Date.now();
      }
    },
  };
}
