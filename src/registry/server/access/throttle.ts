import { inNet, parseIp, parseNet } from "../../../spec/ipnet.ts";

const MOST_FAILURES = 10;
const REGAIN_MS = 6000;
const MOST_ADDRESSES = 10_000;
/** What one subscriber has of IPv6, in bits. */
const PREFIX6 = 64n;

/**
 * Failures of each address: ten at once, then one each six seconds. Addresses beyond ten thousand push out those that were asked about longest ago, so memory is bounded. `now`
 * is a clock in milliseconds.
 */
export class Throttle {
  /** What an address still owes, in milliseconds of waiting, at a time. */
  readonly #debts = new Map<string, { owed: number; at: number }>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Milliseconds until this address may try again; 0: now, and the try counts as a failure until `forgive`. */
  take(address: string): number {
    const key = groupOf(address);
    const owed = this.#owed(key) + REGAIN_MS;
    if (owed > MOST_FAILURES * REGAIN_MS) return Math.ceil(owed - MOST_FAILURES * REGAIN_MS);
    this.#set(key, owed);
    return 0;
  }

  /** The try was a good one. */
  forgive(address: string): void {
    const key = groupOf(address);
    this.#set(key, this.#owed(key) - REGAIN_MS);
  }

  #owed(key: string): number {
    const { owed, at } = this.#debts.get(key) ?? { owed: 0, at: 0 };
    return Math.max(0, owed - (this.now() - at));
  }

  #set(key: string, owed: number): void {
    this.#debts.delete(key);
    if (owed <= 0) return;
    this.#debts.set(key, { owed, at: this.now() });
    const oldest = this.#debts.keys().next();
    if (this.#debts.size > MOST_ADDRESSES && !oldest.done) this.#debts.delete(oldest.value);
  }
}

/** The client's address: the peer's, or what a proxy that is believed says of it. The last of `X-Forwarded-For` that is no such proxy counts, since clients write the others. */
export function clientAddress(
  peer: string,
  { forwarded, proxies }: { forwarded: string | null; proxies: readonly string[] },
): string {
  const trusted = proxies.map((text) =>
    parseNet(text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`),
  );
  const isProxy = (address: string): boolean => {
    const ip = parseIp(address);
    return ip !== undefined && trusted.some((found) => found !== undefined && inNet(found.net, ip));
  };
  const hops = (forwarded ?? "").split(",").map((hop) => plain(hop.trim()));
  let at = plain(peer);
  while (isProxy(at)) {
    const before = hops.pop();
    if (before === undefined || parseIp(before) === undefined) break;
    at = before;
  }
  return at;
}

function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, "");
}

function groupOf(address: string): string {
  const ip = parseIp(address);
  return ip?.family === 6 ? `6:${ip.value >> PREFIX6}` : address;
}
