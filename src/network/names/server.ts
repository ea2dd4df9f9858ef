import type { NameQuery, NetHelper } from "../../host/net-helper.ts";
import { messageOf } from "../../spec/errors.ts";
import type { EndpointRecord } from "../networks.ts";
import { answer } from "./answer.ts";
import { Forwarder } from "./forward.ts";
import type { NameIndex } from "./index.ts";
import { failure } from "./message.ts";

/** What the name server works with. */
export interface NameServerOptions {
  index: NameIndex;
  sockets: NetHelper;
  get: (containerId: string) => EndpointRecord | undefined;
  /** The servers that know the names of the outside, for this container; none: it may not ask. */
  upstream: (asking: EndpointRecord) => string[];
  log: (line: string) => void;
}

const UDP_BYTES = 1232;
const TCP_BYTES = 65535;
/** Questions under way to other servers, of all and of one container; more fail at once. */
const MOST_FORWARDED = 1024;
const MOST_OF_ONE = 128;

/**
 * Answers names at 127.0.0.11 inside each container's namespace, so who asks is known by where it asks. Lives with the daemon: containers of
 * one that was killed are answered again by the next one.
 */
export class NameServer {
  readonly #options: NameServerOptions;
  readonly #places = new Map<string, number>();
  readonly #asking = new Map<number, string>();
  readonly #forwarder = new Forwarder();
  /** Container id → its questions under way. */
  readonly #forwarded = new Map<string, number>();

  constructor(options: NameServerOptions) {
    this.#options = options;
  }

  /** Answers in a container's namespace from now on. Throws `internal` where it cannot listen there. */
  async serve(containerId: string, netns: string): Promise<void> {
    this.leave(containerId);
    const place = await this.#options.sockets.add(netns);
    this.#places.set(containerId, place);
    this.#asking.set(place, containerId);
  }

  /** Answers those that ran before this daemon; one that cannot be answered is said. */
  async serveAll(records: EndpointRecord[]): Promise<void> {
    const served = records.map(async ({ containerId, name, slot }) => {
      if (slot)
        await this.serve(containerId, slot.path).catch((error) =>
          this.#options.log(`network: ${name}: ${messageOf(error)}`),
        );
    });
    await Promise.all(served);
  }

  /** Lets go of a container's namespace, which would else live on. Repeatable. */
  leave(containerId: string): void {
    const place = this.#places.get(containerId);
    if (place === undefined) return;
    this.#places.delete(containerId);
    this.#asking.delete(place);
    this.#options.sockets.remove(place);
  }

  /** Forgets everybody: the helper ends. */
  clear(): void {
    this.#places.clear();
    this.#asking.clear();
  }

  /** Answers one question. Never rejects; says nothing where nothing is to be said. */
  async answer({ place, via, message, reply }: NameQuery): Promise<void> {
    const { index, get, log } = this.#options;
    try {
      const asking = get(this.#asking.get(place) ?? "");
      const limit = via === "udp" ? UDP_BYTES : TCP_BYTES;
      const outcome = answer(message, { known: asking && index.seenBy(asking), limit });
      if (outcome === "drop") return;
      if (outcome !== "forward") return reply(outcome.reply, outcome.keep);
      const other = asking && (await this.#elsewhere(asking, message, via));
      reply(other ?? failure(message, "serverFailure"));
    } catch (error) {
      log(`network: names: ${messageOf(error)}`);
    }
  }

  async #elsewhere(asking: EndpointRecord, message: Buffer, via: "udp" | "tcp"): Promise<Buffer | undefined> {
    const { containerId: id } = asking;
    const mine = this.#forwarded.get(id) ?? 0;
    const all = [...this.#forwarded.values()].reduce((sum, n) => sum + n, 0);
    if (mine >= MOST_OF_ONE || all >= MOST_FORWARDED) return undefined;
    this.#forwarded.set(id, mine + 1);
    try {
      return await this.#forwarder.ask(message, this.#options.upstream(asking), via);
    } finally {
      const left = (this.#forwarded.get(id) ?? 1) - 1;
      if (left > 0) this.#forwarded.set(id, left);
      else this.#forwarded.delete(id);
    }
  }
}
