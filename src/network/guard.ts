import type { NetChange } from "../host/net-helper.ts";
import { messageOf } from "../spec/errors.ts";
import { formatNet, netsOverlap, parseNet } from "../spec/ipnet.ts";
import type { Book } from "./book.ts";
import type { DefaultBridge } from "./default-bridge.ts";
import { linkAddresses, routes } from "./ip.ts";
import type { Ruleset } from "./nft.ts";
import { reconnect } from "./recover.ts";
import type { Segments } from "./segments.ts";
import type { Segment } from "./wired.ts";

/** What the guard works with. */
export interface GuardOptions {
  book: Book;
  rules: Ruleset;
  bridge: DefaultBridge;
  segments: Segments;
  /** Runs when no network is being made or removed. */
  queue: (body: () => Promise<void>) => Promise<void>;
  log: (line: string) => void;
}

/** Changes that come together are looked at together. */
const SETTLE_MS = 20;

/**
 * Puts right what others do to ours while the daemon runs: a firewall that flushes all of nftables, a bridge that is deleted, taken down or
 * loses its addresses. And it knows which routes of the host lead where a network of ours is, as a VPN's may that came later:
 * nothing is renumbered then, but said.
 */
export class Guard {
  readonly #options: GuardOptions;
  #links = false;
  #rules = false;
  #routes = false;
  #all = false;
  #looking: Promise<void> | undefined;
  #conflicts: string[] = [];
  #closed = true;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** Begins; what there is now is looked at once. */
  open(): void {
    this.#closed = false;
    this.#routes = true;
    this.#later();
  }

  /** From now on nothing is put right. */
  close(): void {
    this.#closed = true;
  }

  /** Something has changed; much of it is none of ours. */
  changed({ what, name }: NetChange): void {
    if (what === "table" && name !== this.#options.rules.name) return;
    if (what === "link" && !this.#segments().some(({ bridge }) => bridge.name === name)) return;
    this.#links ||= what === "link";
    this.#rules ||= what === "table";
    this.#routes ||= what === "route";
    this.#all ||= what === "all";
    this.#later();
  }

  /** The routes of the host that hide a network of ours, or part of one, each as a warning. */
  conflicts(): string[] {
    return this.#conflicts;
  }

  /** Resolves when all that is known is put right. */
  async idle(): Promise<void> {
    while (this.#looking) await this.#looking;
  }

  #later(): void {
    if (this.#closed) return;
    this.#looking ??= new Promise<void>((resolve) => setTimeout(resolve, SETTLE_MS).unref())
      .then(() => this.#options.queue(() => this.#look()))
      .catch((error) => this.#options.log(`network: ${messageOf(error)}`))
      .then(() => {
        this.#looking = undefined;
        if (this.#links || this.#rules || this.#routes || this.#all) this.#later();
      });
  }

  async #look(): Promise<void> {
    const [links, rules, reachable] = [this.#links || this.#all, this.#rules || this.#all, this.#routes];
    this.#links = this.#rules = this.#routes = this.#all = false;
    if (this.#closed) return;
    const { log } = this.#options;
    if (links) await this.#mendLinks();
    if (rules && (await this.#options.rules.verify()))
      log("network: somebody changed our nftables table; it is written anew");
    if (reachable) await this.#lookForConflicts();
  }

  async #mendLinks(): Promise<void> {
    const { bridge, segments, book, log } = this.#options;
    const there = await linkAddresses();
    const broken = this.#segments().filter((segment) => !isWhole(segment, there.get(segment.bridge.name)));
    if (broken.length === 0) return;
    for (const segment of broken) {
      log(`network: ${segment.bridge.name} was deleted or changed by somebody; it is made again`);
      if (segment === bridge.wired) await bridge.mend();
      else await segments.mend(segment);
    }
    await reconnect({ endpoints: book.endpoints, segments: this.#named(), log });
  }

  async #lookForConflicts(): Promise<void> {
    const ours = this.#named();
    const links = new Set(ours.map(([, { bridge }]) => bridge.name));
    const found: string[] = [];
    for (const family of [4, 6] as const) {
      const lans = ours.flatMap(([id, segment]) => {
        const lan = family === 4 ? segment.v4 : segment.v6;
        return lan && !segment.lower ? [{ id, net: lan.net }] : [];
      });
      for (const { dst, dev = "" } of lans.length > 0 ? await routes(family) : []) {
        const net = links.has(dev)
          ? undefined
          : parseNet(dst.includes("/") ? dst : `${dst}/${family === 4 ? 32 : 128}`)?.net;
        // Wider ones lead around us: the more special route, ours, wins.
        const hidden = net ? lans.filter((lan) => lan.net.prefix <= net.prefix && netsOverlap(lan.net, net)) : [];
        for (const lan of hidden) found.push(this.#conflict(lan, `${dst} by ${dev}`));
      }
    }
    for (const line of found) if (!this.#conflicts.includes(line)) this.#options.log(`network: ${line}`);
    const gone = this.#conflicts.filter((line) => !found.includes(line));
    this.#conflicts = found;
    for (const line of gone) this.#options.log(`network: no longer: ${line}`);
  }

  #conflict({ id, net }: { id: string; net: Parameters<typeof formatNet>[0] }, route: string): string {
    const name = this.#options.book.known().find((n) => n.id === id)?.name ?? id;
    return `network ${name} (${formatNet(net)}) and the host's route to ${route} are in each other's way; make the network anew with another --subnet`;
  }

  #segments(): Segment[] {
    return this.#named().map(([, segment]) => segment);
  }

  #named(): [string, Segment][] {
    const { bridge, segments, book } = this.#options;
    const all = segments.all();
    return bridge.wired && book.bridge ? [[book.bridge.id, bridge.wired], ...all] : all;
  }
}

function isWhole(
  { bridge, v4, v6, lower }: Segment,
  there: { index: number; up: boolean; addresses: string[] } | undefined,
): boolean {
  if (lower) return true;
  if (!there?.up || there.index !== bridge.index) return false;
  return [v4, v6].every((lan) => !lan || there.addresses.includes(lan.gateway));
}
