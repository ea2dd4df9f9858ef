import type { TlsMaterial } from "../../../../host/http-server.ts";
import { messageOf } from "../../../../spec/errors.ts";

/** Where a server's certificates come from. They may be others later. */
export interface TlsSource {
  /** What to begin with. */
  readonly current: TlsMaterial;
  /** Lines for people: how clients come to trust it. */
  readonly advice: readonly string[];
  /** The certificates, where they are others since the last call; undefined where not. Never throws: what is not sound is told to the log once, and what was there stays. */
  renewed(): Promise<TlsMaterial | undefined>;
}

const EVERY_MS = 10_000;

/** Tells `use` of other certificates within ten seconds, and at once when `poke` of the result is called. Ends with the signal. */
export function followTls(
  source: TlsSource,
  { use, log, signal }: { use: (tls: TlsMaterial) => void; log: (line: string) => void; signal: AbortSignal },
): { poke(): Promise<void> } {
  let last = Promise.resolve();
  const look = async (): Promise<void> => {
    const tls = signal.aborted ? undefined : await source.renewed();
    if (!tls || signal.aborted) return;
    try {
      use(tls);
      log("other certificates are in use from now on");
    } catch (error) {
      log(`the new certificates cannot be used: ${messageOf(error)}`);
    }
  };
  const poke = (): Promise<void> => {
    last = last.then(look);
    return last;
  };
  const timer = setInterval(() => void poke(), EVERY_MS);
  timer.unref();
  signal.addEventListener("abort", () => clearInterval(timer), { once: true });
  return { poke };
}
