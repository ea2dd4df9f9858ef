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

const EVERYWHERE = ["0.0.0.0", "::"];

/**
 * What a person is to know of other people's firewall rules beside ours, each a line that begins as Docker's warnings do: ports that are open
 * to the world past ufw or firewalld, and foreign chains that drop what they do not know of containers. None where nft cannot be asked.
 */
export async function firewallWarnings(published: { name: string; ports: PortMap }[]): Promise<string[]> {
  const chains = await foreignChains();
  const firewall = chains.some((c) => c.table === "firewalld")
    ? "firewalld"
    : chains.some((c) => c.name.startsWith("ufw-"))
      ? "ufw"
      : undefined;
  const open = firewall === undefined ? [] : published.flatMap(openPorts);
  const closed = chains.filter((c) => c.hook === "forward" && c.policy === "drop");
  return [
    ...(open.length > 0
      ? [`WARNING: published ports are open to the world past ${firewall}: ${open.join(", ")}; see publish-policy`]
      : []),
    ...closed.map(
      ({ family, table, name }) =>
        `WARNING: chain ${name} of the nftables table ${family} ${table} drops what it does not know: containers have no way out or in unless a rule there accepts their bridges`,
    ),
  ];
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

/** `web 8080/tcp` for each port that is published on all addresses. */
function openPorts({ name, ports }: { name: string; ports: PortMap }): string[] {
  const found = Object.entries(ports).flatMap(([key, bindings]) =>
    (bindings ?? [])
      .filter((b) => EVERYWHERE.includes(b.HostIp ?? ""))
      .map((b) => `${name} ${b.HostPort}/${key.split("/")[1]}`),
  );
  return [...new Set(found)];
}
