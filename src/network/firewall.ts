import { run } from "../host/spawn.ts";
import type { PortMap } from "../spec/engine-api.ts";

/** What `nft -j list chains` says of a chain; those with a hook see packets by themselves. */
interface Chain {
  family: string;
  table: string;
  name: string;
  hook?: string;
  policy?: string;
}

/** A container with its published ports. */
export interface Publisher {
  name: string;
  ports: PortMap;
}

const EVERYWHERE = ["0.0.0.0", "::"];

/** How long what nft said of other people's chains is believed where it would be asked for each list of containers. */
const BELIEVED_MS = 10_000;
let believed: { chains: Chain[]; until: number } | undefined;

/**
 * What a person is to know of other people's firewall rules beside ours, each a line that begins as Docker's warnings do: ports that are open
 * to the world past ufw or firewalld, and foreign chains that drop what they do not know of containers. None where nft cannot be asked.
 */
export async function firewallWarnings(published: Publisher[]): Promise<string[]> {
  const chains = await foreignChains();
  const open = openPast(chains, published);
  const closed = chains.filter((c) => c.hook === "forward" && c.policy === "drop");
  return [
    ...(open ? [`WARNING: ${open}`] : []),
    ...closed.map(
      ({ family, table, name }) =>
        `WARNING: chain ${name} of the nftables table ${family} ${table} drops what it does not know: containers have no way out or in unless a rule there accepts their bridges`,
    ),
  ];
}

/** Which ports are open to the world past ufw or firewalld; undefined: none. A firewall that was just set up may be missed. */
export async function openPortsWarning(published: Publisher[]): Promise<string | undefined> {
  if (!published.some(({ ports }) => isOpen(ports))) return undefined;
  if (!believed || believed.until < Date.now())
    believed = { chains: await foreignChains(), until: Date.now() + BELIEVED_MS };
  return openPast(believed.chains, published);
}

function openPast(chains: Chain[], published: Publisher[]): string | undefined {
  const firewall = chains.some((c) => c.table === "firewalld")
    ? "firewalld"
    : chains.some((c) => c.name.startsWith("ufw-"))
      ? "ufw"
      : undefined;
  const open = firewall === undefined ? [] : published.flatMap(openPorts);
  if (open.length === 0) return undefined;
  return `published ports are open to the world past ${firewall}: ${open.join(", ")}; see publish-policy`;
}

async function foreignChains(): Promise<Chain[]> {
  try {
    const { code, stdout } = await run(["nft", "-j", "list", "chains"]);
    if (code !== 0) return [];
    const { nftables } = JSON.parse(stdout) as { nftables: { chain?: Chain }[] };
    return nftables.flatMap(({ chain }) => chain ?? []).filter((chain) => !chain.table.startsWith("berth-"));
  } catch {
    return []; // Without nft there are no published ports either.
  }
}

function isOpen(ports: PortMap): boolean {
  return Object.values(ports).some((bindings) => bindings?.some((b) => EVERYWHERE.includes(b.HostIp ?? "")));
}

/** `web 8080/tcp` for each port that is published on all addresses. */
function openPorts({ name, ports }: Publisher): string[] {
  const found = Object.entries(ports).flatMap(([key, bindings]) =>
    (bindings ?? [])
      .filter((b) => EVERYWHERE.includes(b.HostIp ?? ""))
      .map((b) => `${name} ${b.HostPort}/${key.split("/")[1]}`),
  );
  return [...new Set(found)];
}
