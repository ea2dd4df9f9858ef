import { existsSync } from "node:fs";

/** Where a resolver of the host is seen, and how it is told of a server for one zone. */
const RESOLVERS: {
  at: string;
  tell: (server: { host: string; port: number }, of: { zone: string; link: string }) => string;
}[] = [
  {
    at: "/run/systemd/resolve",
    tell: ({ host, port }, { zone, link }) => {
      const server = port === 53 ? host : `${isSix(host) ? `[${host}]` : host}:${port}`;
      return `resolvectl dns ${link} ${server} && resolvectl domain ${link} '~${zone}'`;
    },
  },
  ...["/etc/NetworkManager/dnsmasq.d", "/etc/dnsmasq.d"].map((at) => ({
    at,
    tell: ({ host, port }: { host: string; port: number }, { zone }: { zone: string }) =>
      `server=/${zone}/${host}${port === 53 ? "" : `#${port}`} in ${at}/berth.conf`,
  })),
];

/** How the host's resolvers are told to ask a server for a zone; none where none that can be told is seen. `root`: of the file system. */
export function pointers(
  server: { host: string; port: number },
  of: { zone: string; link: string; root?: string },
): string[] {
  return RESOLVERS.filter(({ at }) => existsSync(`${of.root ?? ""}${at}`)).map(({ tell }) => tell(server, of));
}

function isSix(host: string): boolean {
  return host.includes(":");
}
