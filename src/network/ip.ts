import { run } from "../host/spawn.ts";
import { BerthError } from "../spec/errors.ts";

/** A link as `ip -j -d link` prints it; only what is read here. */
export interface LinkInfo {
  ifindex: number;
  ifname: string;
  mtu: number;
  master?: string;
  flags: string[];
  linkinfo?: { info_kind?: string };
}

/** A route as `ip -j route` prints it. Without `gateway`: to a subnet that the device itself is in. */
export interface RouteInfo {
  dst: string;
  dev?: string;
  gateway?: string;
  metric?: number;
}

/** Runs `ip -batch` with one command a line, after the words of `prefix` (a program that enters a namespace). Throws `internal` with iproute2's own words. */
export async function ipBatch(
  lines: string[],
  options: { prefix?: string[]; force?: boolean; family?: "-4" | "-6" } = {},
): Promise<void> {
  if (lines.length === 0) return;
  const argv = [...(options.prefix ?? []), "ip", ...(options.family ? [options.family] : [])];
  argv.push(...(options.force ? ["-force"] : []), "-batch", "-");
  const { code, stderr } = await run(argv, { input: `${lines.join("\n")}\n` });
  if (code !== 0 && !options.force) throw failure(lines, stderr);
}

/** The routes of the main table. */
export function routes(family: 4 | 6 = 4): Promise<RouteInfo[]> {
  return ipJson<RouteInfo>([`-${family}`, "route", "show"]);
}

/** Links, all or (with `["master", "x"]`, `["dev", "x"]`) some. A missing device gives none. */
export function links(which: string[] = []): Promise<LinkInfo[]> {
  return ipJson<LinkInfo>(["-d", "link", "show", ...which]);
}

/** All links by name, with what says whether they work. */
export async function linkAddresses(): Promise<Map<string, { index: number; up: boolean; addresses: string[] }>> {
  const found = await ipJson<LinkInfo & { addr_info?: { local: string }[] }>(["address", "show"]);
  return new Map(
    found.map(({ ifname, ifindex, flags, addr_info = [] }) => [
      ifname,
      { index: ifindex, up: flags.includes("UP"), addresses: addr_info.map((a) => a.local) },
    ]),
  );
}

/** The IPv4 addresses of a link as `a.b.c.d/n`. */
export async function addressesOf(dev: string): Promise<string[]> {
  const found = await ipJson<{ addr_info?: { local: string; prefixlen: number }[] }>([
    "-4",
    "address",
    "show",
    "dev",
    dev,
  ]);
  return found.flatMap((link) => (link.addr_info ?? []).map((a) => `${a.local}/${a.prefixlen}`));
}

async function ipJson<T>(args: string[]): Promise<T[]> {
  const { code, stdout, stderr } = await run(["ip", "-j", ...args]);
  if (code !== 0 && /does not exist|Cannot find device/.test(stderr)) return [];
  if (code !== 0) throw failure([args.join(" ")], stderr);
  // iproute2 prints nothing at all where there is nothing to list, and empty objects for links that it filtered out.
  const rows: T[] = JSON.parse(stdout.trim() || "[]");
  return rows.filter((row) => Object.keys(Object(row)).length > 0);
}

function failure(lines: string[], stderr: string): BerthError {
  const [cause = "failed", where = ""] = stderr.trim().split("\n");
  const line = lines[Number(/Command failed -:(\d+)/.exec(where)?.[1] ?? 1) - 1] ?? "";
  return new BerthError("internal", `ip ${line}: ${cause}`);
}
