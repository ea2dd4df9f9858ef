import { BerthError, messageOf } from "../../spec/errors.ts";
import { inNet, parseIp, parseNet } from "../../spec/ipnet.ts";
import { type EndpointRecord, endpointsOf } from "../networks.ts";
import type { Known } from "./answer.ts";
import { linesOf, putBlock } from "./hosts-file.ts";
import { LoopbackServer } from "./loopback-server.ts";
import { pointers } from "./resolver-hints.ts";

/** What the host's names of containers end in. */
export const HOST_ZONE = "container";
/** Beside 127.0.0.53 and .54, which are systemd-resolved's, and 127.0.0.11, which is the containers'. */
const ADDRESS = "127.0.0.111";
const PORT = 53;
const HOSTS_FILE = "/etc/hosts";

/** How containers' names are resolved from the host: not at all, by asking a loopback address, or by a block of a hosts file. */
export type HostNamesWay =
  | { kind: "off" }
  | { kind: "dns"; host: string; port: number }
  | { kind: "hosts"; path: string };

const LOOPBACK = ["127.0.0.0/8", "::1/128"].flatMap((text) => parseNet(text)?.net ?? []);

/** `off`, `dns`, `dns=ADDRESS`, `dns=ADDRESS#PORT`, `hosts` or `hosts=PATH`. Throws `invalid-argument`. */
export function parseHostNames(text: string): HostNamesWay {
  const [, kind, where] = /^(off|dns|hosts)(?:=(.+))?$/.exec(text) ?? [];
  const [host = ADDRESS, port = String(PORT), ...more] = where === undefined ? [] : where.split("#");
  if (kind === "off" && where === undefined) return { kind };
  if (kind === "hosts" && (where ?? "/").startsWith("/")) return { kind, path: where ?? HOSTS_FILE };
  const ip = parseIp(host);
  const local = ip && LOOPBACK.some((net) => net.family === ip.family && inNet(net, ip));
  if (kind === "dns" && local && /^\d{1,5}$/.test(port) && Number(port) < 65_536 && more.length === 0)
    return { kind, host, port: Number(port) };
  throw new BerthError("invalid-argument", `host-names: invalid: ${JSON.stringify(text)}`, {
    hint: "off, dns, dns=ADDRESS[#PORT] with a loopback address, hosts or hosts=PATH",
  });
}

/** What host names are made from. */
export interface HostNamesOptions {
  way: HostNamesWay;
  /** Tells blocks of daemons beside each other apart. */
  tag: string;
  /** One of the host's links that containers are on. */
  link: string;
  all: () => EndpointRecord[];
  /** Ids of the networks whose containers the host reaches. */
  reached: () => Set<string>;
  log: (line: string) => void;
  /** The host's own hosts file, where names may be left from another way. Default /etc/hosts. */
  hostsFile?: string;
}

/**
 * Names of containers for the host: `NAME.container` for a container's name or short id, `NAME.NETWORK.container` for any name that it has on a
 * network. The server goes with the daemon. A hosts file has the names between two marks; what a killed daemon leaves there the next one
 * puts right, in whatever way it gives names itself.
 */
export class HostNames {
  readonly #options: HostNamesOptions;
  #known: Map<string, string[]> | undefined;
  #server: LoopbackServer | undefined;
  #problem: string | undefined;
  #open = false;
  #stale = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: HostNamesOptions) {
    this.#options = options;
  }

  /** How names are resolved, and what makes the host's own resolver ask, for people; "": they are not resolved. */
  get text(): string {
    const { way, link } = this.#options;
    if (way.kind === "off") return "";
    const names = `NAME.${HOST_ZONE} and NAME.NETWORK.${HOST_ZONE}`;
    if (way.kind === "hosts") return `${names} in ${way.path}`;
    const at = `${names} at ${way.host}${way.port === PORT ? "" : `, port ${way.port}`}`;
    return [at, ...pointers(way, { zone: HOST_ZONE, link })].join("; to use it: ");
  }

  /** What stands in the way. */
  get warnings(): string[] {
    return this.#problem === undefined ? [] : [`Host names: ${this.#problem}`];
  }

  /** True where names are asked for. */
  get on(): boolean {
    return this.#options.way.kind !== "off";
  }

  /** Begins. Where it cannot, that is logged and in the warnings: containers do not depend on it. */
  async open(): Promise<void> {
    const { way } = this.#options;
    this.#open = true;
    this.#known = undefined;
    const { hostsFile = HOSTS_FILE } = this.#options;
    await this.#write(way.kind === "hosts" ? way.path : hostsFile);
    if (way.kind !== "dns") return;
    this.#server = new LoopbackServer(this);
    const hint = "name another with --host-names dns=ADDRESS";
    try {
      await this.#server.open(way);
      this.#problem = undefined;
    } catch (error) {
      this.#failed(`${way.host}#${way.port} cannot be used: ${messageOf(error)}; ${hint}`);
    }
  }

  /** The attachments are others now: the next answer is a new one, and a hosts file follows at once. */
  changed(): void {
    this.#known = undefined;
    const { way } = this.#options;
    if (!this.#open || this.#stale || way.kind !== "hosts") return;
    this.#stale = true;
    void this.#write(way.path);
  }

  /** Ends the answers, and takes the names out of the hosts file. Repeatable. */
  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#server?.close();
    this.#server = undefined;
    const { way } = this.#options;
    if (way.kind === "hosts") await this.#write(way.path);
  }

  /** The addresses of a name. */
  addresses(name: string): string[] | undefined {
    return this.#current().get(name.toLowerCase());
  }

  /** The name of an address. */
  pointer(address: string): string | undefined {
    for (const [name, addresses] of this.#current()) if (addresses.includes(address)) return name;
    return undefined;
  }

  /** Nobody has such a name; those of the rest of the world are asked elsewhere. */
  missing(name: string): ReturnType<NonNullable<Known["missing"]>> {
    return name.toLowerCase().endsWith(`.${HOST_ZONE}`) ? "noName" : "refused";
  }

  /** One write at a time, with what is known when it begins. Never rejects. */
  #write(path: string): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      this.#stale = false;
      const wanted = this.#open && this.#options.way.kind === "hosts";
      try {
        await putBlock(path, { tag: this.#options.tag, lines: wanted ? linesOf(this.#current()) : [] });
        if (wanted) this.#problem = undefined;
      } catch (error) {
        this.#failed(`${path} cannot be written: ${messageOf(error)}`);
      }
    });
    return this.#writing;
  }

  #failed(problem: string): void {
    if (this.#problem !== problem) this.#options.log(`network: host names: ${problem}`);
    this.#problem = problem;
  }

  #current(): Map<string, string[]> {
    this.#known ??= namesOf(this.#options.all(), this.#options.reached());
    return this.#known;
  }
}

/** All names in lower case, containers' own first. Names that only others lie below (`NETWORK.container`) have no addresses. */
function namesOf(all: EndpointRecord[], reached: Set<string>): Map<string, string[]> {
  const own = new Map<string, string[]>();
  const more = new Map<string, string[]>();
  for (const attachment of all) {
    const addresses: string[] = [];
    for (const { network, networkId, names = [], ip, ip6 } of endpointsOf(attachment)) {
      if (!reached.has(networkId)) continue;
      const here = [ip, ip6?.ip ?? ""].filter((a) => a !== "");
      addresses.push(...here);
      const zone = `${network}.${HOST_ZONE}`.toLowerCase();
      for (const name of new Set([attachment.name, ...names].map((n) => `${n.toLowerCase()}.${zone}`)))
        more.set(name, [...(more.get(name) ?? []), ...here]);
      if (!more.has(zone)) more.set(zone, []);
    }
    own.set(`${attachment.name}.${HOST_ZONE}`.toLowerCase(), addresses);
    own.set(`${attachment.containerId.slice(0, 12)}.${HOST_ZONE}`, addresses);
  }
  return new Map([...own, ...[...more].filter(([name]) => !own.has(name)), [HOST_ZONE, []]]);
}
