import { readIfThere } from "../host/files.ts";

/** What a container's settings (`--dns`, `--dns-search`, `--dns-option`) put in place of the host's. Empty lists change nothing. */
export interface ResolvOverrides {
  dns: string[];
  search: string[];
  options: string[];
}

/** Where containers on persons' networks ask for names; Docker's address, which configurations name. */
export const NAMES_SERVER = "127.0.0.11";
const HOST_FILE = "/etc/resolv.conf";
/** Where systemd-resolved keeps the servers that its stub at 127.0.0.53 asks (systemd-resolved.service(8)). */
const RESOLVED_FILE = "/run/systemd/resolve/resolv.conf";
/** Docker's choice for a container whose host names no server that a container can reach. */
const FALLBACK = ["8.8.8.8", "8.8.4.4"];

/** The host's file that a container's is made from, as text; "" where there is none. */
export function hostResolvConf(): string {
  const text = readIfThere(HOST_FILE) ?? "";
  const servers = valuesOf(text, "nameserver");
  const stubOnly = servers.length > 0 && servers.every((s) => s === "127.0.0.53");
  return stubOnly ? (readIfThere(RESOLVED_FILE) ?? text) : text;
}

/**
 * resolv.conf(5) for a container. With `isolated` (a network namespace of its own) servers that only the host can reach are left
 * out: loopback ones, and IPv6 ones, as the network has IPv4 only. Without, and without overrides, it is the host's text as it is.
 * With `named` the daemon is asked first, and the others where no daemon is there: 127.0.0.11 refuses at once then.
 */
export function containerResolvConf(
  hostText: string,
  options: { isolated: boolean; named?: boolean; overrides: ResolvOverrides },
): string {
  const { isolated, named = false, overrides } = options;
  const changed = overrides.dns.length + overrides.search.length + overrides.options.length > 0;
  if (!isolated && !changed) return hostText;
  const servers = overrides.dns.length > 0 ? overrides.dns : serversOf(hostText, isolated);
  // `--dns-search .` means: no search list at all.
  const search = (overrides.search.length > 0 ? overrides.search : valuesOf(hostText, "search")).filter(
    (s) => s !== ".",
  );
  const flags = overrides.options.length > 0 ? overrides.options : valuesOf(hostText, "options");
  const lines = [
    ...(named ? [`nameserver ${NAMES_SERVER}`] : []),
    ...servers.map((server) => `nameserver ${server}`),
    ...(search.length > 0 ? [`search ${search.join(" ")}`] : []),
    ...(flags.length > 0 ? [`options ${flags.join(" ")}`] : []),
  ];
  return `# Made by Berth from the host's resolv.conf. Changes made here stay until the container restarts.\n${lines.join("\n")}\n`;
}

/** resolv.conf(5) for a container whose names the daemon answers, as Docker writes it: one server, the host's search list, `ndots:0` unless said otherwise. */
export function namesResolvConf(hostText: string, overrides: ResolvOverrides): string {
  const search = overrides.search.length > 0 ? overrides.search : valuesOf(hostText, "search");
  const flags = overrides.options.length > 0 ? overrides.options : valuesOf(hostText, "options");
  const domains = search.filter((s) => s !== ".");
  const options = flags.some((flag) => flag.startsWith("ndots:")) ? flags : [...flags, "ndots:0"];
  const servers = upstreamServers(hostText, overrides.dns).map((s) => (overrides.dns.length > 0 ? s : `host(${s})`));
  return [
    "# Made by Berth. Changes made here stay until the container restarts.",
    "",
    `nameserver ${NAMES_SERVER}`,
    ...(domains.length > 0 ? [`search ${domains.join(" ")}`] : []),
    `options ${options.join(" ")}`,
    "",
    `# ExtServers: [${servers.join(" ")}]`,
    "",
  ].join("\n");
}

/** Who is asked about the outside: the container's own servers, else the host's as the host itself asks them. */
export function upstreamServers(hostText: string, own: string[]): string[] {
  return own.length > 0 ? own : valuesOf(hostText, "nameserver");
}

function serversOf(text: string, isolated: boolean): string[] {
  const servers = valuesOf(text, "nameserver");
  if (!isolated) return servers;
  const reachable = servers.filter((s) => !s.startsWith("127.") && !s.includes(":"));
  return reachable.length > 0 ? reachable : FALLBACK;
}

/** All words after a keyword. `search` counts once: the last line wins (resolv.conf(5)). */
function valuesOf(text: string, keyword: string): string[] {
  const lines = text
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words[0] === keyword || (keyword === "search" && words[0] === "domain"));
  return (keyword === "search" ? lines.slice(-1) : lines).flatMap((words) => words.slice(1));
}
