/** What the rules know of one bridge. `subnet` and `subnet6` as `base/prefix`; absent: none of that family. */
export interface BridgeSpec {
  bridge: string;
  subnet?: string;
  subnet6?: string;
  /** Nothing passes between it and the outside. */
  internal?: boolean;
  /** False: what leaves keeps the container's address. Default true. */
  masquerade?: boolean;
  /** False: containers do not reach each other. Default true. */
  icc?: boolean;
}

/** nft's name of a table's family. */
export type Family = "ip" | "ip6";

/** One element of a set, or of a map where it has a value. */
export interface Element {
  set: string;
  key: string;
  value?: string;
}

const ADDRESS = { ip: "ipv4_addr", ip6: "ipv6_addr" } as const;
const LOOPBACK = { ip: "127.0.0.0/8", ip6: "::1" } as const;

/** The families that have something of a bridge: a bridge without IPv6 has nothing there. */
export function familiesOf({ subnet6 }: BridgeSpec): Family[] {
  return subnet6 === undefined ? ["ip"] : ["ip", "ip6"];
}

/** What the sets of a family's table hold of one bridge. */
export function elementsOf(spec: BridgeSpec, family: Family): Element[] {
  const { bridge, internal } = spec;
  const subnet = family === "ip" ? spec.subnet : spec.subnet6;
  const link = `"${bridge}"`;
  const found: Element[] = [
    { set: "bridges", key: link },
    { set: "within", key: `${link} . ${link}`, value: spec.icc === false ? "goto reached" : "accept" },
  ];
  if (internal) found.push({ set: "internal", key: link });
  if (subnet !== undefined) found.push({ set: "inside", key: `${subnet} . ${link}` });
  if (subnet !== undefined && spec.masquerade !== false && !internal) found.push({ set: "leaving", key: subnet });
  return found;
}

/**
 * The rules of one family (nft(8)), the same for any number of bridges: what differs is in the sets, so a packet's way does not get longer
 * with them. `publish` looks for the exact address first. The raw chain pays for `route_localnet`: with it,
 * containers could otherwise reach what listens on the host's loopback. Forwarded packets reach a bridge from
 * itself, as answers, or through a published port; all others are dropped, so forwarding opens nothing: neither to the outside nor
 * to the containers of another bridge. `within` sees packets where br_netfilter shows what a bridge sends between its ports.
 * Every publication puts its incoming UDP flows in a conntrack zone of its own: a client that goes on from the same port after
 * the container was replaced is a new flow, and does not follow the old one's translation into the void.
 */
export function tableText(name: string, family: Family): string {
  return `table ${family} ${name} {
${setsText(family)}
${translationText(family)}
${FORWARD}
}
`;
}

/** How many parts a table's text has. */
export function partsOf(text: string): { chains: number; rules: number; sets: number } {
  const count = (pattern: RegExp): number => text.match(pattern)?.length ?? 0;
  return { chains: count(/^ {2}chain /gm), rules: count(/^ {4}(?!type )\S/gm), sets: count(/^ {2}(set|map) /gm) };
}

function setsText(ip: Family): string {
  const address = ADDRESS[ip];
  return `  set bridges { type ifname; }
  set internal { type ifname; }
  set inside { type ${address} . ifname; flags interval; }
  set leaving { type ${address}; flags interval; }
  map within { type ifname . ifname : verdict; }
  map any { type inet_proto . inet_service : ${address} . inet_service; }
  map one { type inet_proto . ${address} . inet_service : ${address} . inet_service; }
  map zone_any { typeof udp dport : ct zone; }
  map zone_one { typeof ${ip} daddr . udp dport : ct zone; }`;
}

function translationText(ip: Family): string {
  const loopback = LOOPBACK[ip];
  // Answers to ::1 would not be taken from a bridge: who asks there is served by the daemon's own socket (hold.ts).
  const local = ip === "ip" ? "" : `ip6 daddr != ${loopback} `;
  const fromLoopback = ip === "ip" ? `oifname @bridges ip saddr ${loopback} masquerade\n    ` : "";
  return `  chain zones {
    ct original zone set ${ip} daddr . udp dport map @zone_one
    ct original zone set udp dport map @zone_any
  }
  chain raw {
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges ${ip} daddr ${loopback} drop
    meta l4proto udp fib daddr type local jump zones
  }
  chain raw_output {
    type filter hook output priority raw; policy accept;
    meta l4proto udp fib daddr type local jump zones
  }
  chain publish {
    dnat ${ip} to meta l4proto . ${ip} daddr . th dport map @one
    dnat ${ip} to meta l4proto . th dport map @any
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump publish
  }
  chain output {
    type nat hook output priority -100; policy accept;
    ${local}fib daddr type local jump publish
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ${fromLoopback}${ip} saddr . oifname @inside ct status dnat masquerade
    ${ip} saddr . oifname @inside accept
    ${ip} saddr @leaving masquerade
  }`;
}

const FORWARD = `  chain reached {
    ct state established,related accept
    ct status dnat accept
    drop
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname . oifname vmap @within
    iifname @internal drop
    oifname @internal drop
    oifname != @bridges accept
    goto reached
  }`;
