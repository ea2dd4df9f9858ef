import { clientAddress } from "./throttle.ts";

/** Which address each request comes from, as long as the request is there. */
export class Peers {
  readonly #peers = new WeakMap<Request, string>();

  constructor(private readonly proxies: readonly string[]) {}

  seen(request: Request, peer: string): void {
    this.#peers.set(request, peer);
  }

  /** Empty where nobody said: all those count as one. */
  of(request: Request): string {
    const peer = this.#peers.get(request) ?? "";
    if (this.proxies.length === 0) return peer;
    return clientAddress(peer, { forwarded: request.headers.get("x-forwarded-for"), proxies: this.proxies });
  }
}
