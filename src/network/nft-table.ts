/** What one bridge's tables are made from. `subnet` and `subnet6` as `base/prefix`; absent: none of that family. */
export interface TableSpec {
  name: string;
  bridge: string;
  subnet?: string;
  subnet6?: string;
  /** Nothing passes between it and the outside. */
  internal?: boolean;
  /** False: what leaves keeps the container's address. Default true. */
  masquerade?: boolean;
  /** False: containers do not reach each other. Default true. */
  icc?: boolean;
  /** Where questions to the gateway's port 53 really go. */
  names?: { gateway: string; udp: number; tcp: number };
}

/** What differs between the two tables of a bridge. */
interface Family {
  /** nft's names: of the table's family, of an address in a packet, and of its type. */
  table: "ip" | "ip6";
  address: "ipv4_addr" | "ipv6_addr";
  loopback: string;
  subnet: string;
}

/**
 * The rules of both families (nft(8)). `publish` looks for the exact address first. The raw chain pays for `route_localnet`: with it,
 * containers could otherwise reach what listens on the host's loopback. Forwarded packets reach the bridge from
 * itself, as answers, or through a published port; all others are dropped, so forwarding opens nothing: neither to the outside nor
 * to the containers of another bridge.
 * Every publication puts its incoming UDP flows in a conntrack zone of its own: a client that goes on from the same port after
 * the container was replaced is a new flow, and does not follow the old one's translation into the void.
 * A bridge without IPv6 has no table of it.
 */
export function tablesText(spec: TableSpec): string {
  const v4: Family = {
    table: "ip",
    address: "ipv4_addr",
    loopback: "127.0.0.0/8",
    subnet: spec.subnet ?? "0.0.0.0/32",
  };
  const { subnet6 } = spec;
  if (subnet6 === undefined) return tableText(spec, v4);
  const v6: Family = { table: "ip6", address: "ipv6_addr", loopback: "::1", subnet: subnet6 };
  return `${tableText(spec, v4)}${tableText(spec, v6)}`;
}

function tableText(spec: TableSpec, family: Family): string {
  const { name, bridge } = spec;
  const { table: ip, address, loopback, subnet } = family;
  const names = spec.names?.gateway.includes(":") === (ip === "ip6") ? spec.names : undefined;
  const asked = names ? [`iifname "${bridge}" ${ip} daddr ${names.gateway} jump names`] : [];
  const leaves =
    spec.masquerade === false || spec.internal ? [] : [`${ip} saddr ${subnet} oifname != "${bridge}" masquerade`];
  // Answers to ::1 would not be taken from a bridge: who asks there is served by the daemon's own socket (hold.ts).
  const local = ip === "ip" ? "" : `ip6 daddr != ${loopback} `;
  const answers = [
    ...(ip === "ip" ? [`oifname "${bridge}" ip saddr ${loopback} masquerade`] : []),
    `oifname "${bridge}" ${ip} saddr ${subnet} ct status dnat masquerade`,
  ];
  return `table ${ip} ${name} {
  map any { type inet_proto . inet_service : ${address} . inet_service; }
  map one { type inet_proto . ${address} . inet_service : ${address} . inet_service; }
  map zone_any { typeof udp dport : ct zone; }
  map zone_one { typeof ${ip} daddr . udp dport : ct zone; }
  chain zones {
    ct original zone set ${ip} daddr . udp dport map @zone_one
    ct original zone set udp dport map @zone_any
  }
  chain raw {
    type filter hook prerouting priority raw; policy accept;
    iifname "${bridge}" ${ip} daddr ${loopback} drop
    meta l4proto udp fib daddr type local jump zones
  }
  chain raw_output {
    type filter hook output priority raw; policy accept;
    meta l4proto udp fib daddr type local jump zones
  }
${namesChain(names)}  chain publish {
    dnat ${ip} to meta l4proto . ${ip} daddr . th dport map @one
    dnat ${ip} to meta l4proto . th dport map @any
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ${[...asked, "fib daddr type local jump publish"].join("\n    ")}
  }
  chain output {
    type nat hook output priority -100; policy accept;
    ${local}fib daddr type local jump publish
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ${[...leaves, ...answers].join("\n    ")}
  }
${forwardChain(spec)}}
`;
}

function namesChain(names: TableSpec["names"]): string {
  if (!names) return "";
  const { gateway, udp, tcp } = names;
  // A redirect of IPv6 may choose the bridge's link-local address, where nobody listens.
  const to = (port: number): string =>
    gateway.includes(":") ? `dnat ip6 to [${gateway}]:${port}` : `redirect to :${port}`;
  return `  chain names {
    udp dport 53 ${to(udp)}
    tcp dport 53 ${to(tcp)}
  }
`;
}

/** What crosses the bridge, and what goes between its ports where br_netfilter shows that; ports are isolated from each other besides where `icc` is off. */
function forwardChain({ bridge, internal, icc }: TableSpec): string {
  const across = internal
    ? [`iifname "${bridge}" oifname != "${bridge}" drop`, `oifname "${bridge}" iifname != "${bridge}" drop`]
    : [];
  const rules = [
    ...across,
    `oifname != "${bridge}" accept`,
    "ct state established,related accept",
    `iifname "${bridge}" ${icc === false ? "ct status dnat accept" : "accept"}`,
    "ct status dnat accept",
    "drop",
  ];
  return `  chain forward {
    type filter hook forward priority filter; policy accept;
    ${rules.join("\n    ")}
  }
`;
}
