import { writeFileSync } from "node:fs";
import { hostname as hostHostname } from "node:os";
import { ensureDir, readIfThere, writeAtomic } from "../../host/files.ts";
import { endpointsOf } from "../../network/networks.ts";
import type { Attachment } from "../../network/types.ts";
import type { Mount } from "../../spec/runtime-spec.ts";
import { containerDir, type EngineContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import { networksOf } from "./endpoints.ts";
import { runningLinks } from "./links.ts";
import { filesOwner } from "./modes.ts";

/** The three generated files of a container: container path → name in its folder. */
export const NETWORK_FILES = {
  "/etc/hosts": "hosts",
  "/etc/hostname": "hostname",
  "/etc/resolv.conf": "resolv.conf",
} as const;

/**
 * Writes hosts, hostname and resolv.conf for this run; repeatable. A container that shares another's network has the files of that one. Answers
 * their bind mounts, but for those that the container mounts itself.
 */
export function writeNetworkFiles(ctx: EngineContext, record: ContainerRecord, attachment?: Attachment): Mount[] {
  const owner = filesOwner(ctx, record);
  const dir = containerDir(ctx, owner.id);
  ensureDir(dir);
  if (owner === record) {
    const name = hostnameOf(record);
    const write = (file: string, text: string): void => writeAtomic(`${dir}/${file}`, text);
    write("hostname", `${name}\n`);
    write("hosts", hostsFile(ctx, record, { attachment, name }));
    write("resolv.conf", resolvConf(ctx, record));
  }
  const taken = new Set(record.mounts.map((m) => m.destination));
  return Object.entries(NETWORK_FILES)
    .filter(([destination]) => !taken.has(destination))
    .map(([destination, file]) =>
      networkFileMount(`${dir}/${file}`, { destination, readonly: record.hostConfig.ReadonlyRootfs === true }),
    );
}

/** One of the generated files as a bind mount. */
export function networkFileMount(source: string, options: { destination: string; readonly: boolean }): Mount {
  const mode = options.readonly ? "ro" : "rw";
  return { destination: options.destination, type: "bind", source, options: ["rbind", mode, "rprivate"] };
}

/** The name that the container's own kernel gives out. */
export function hostnameOf(record: ContainerRecord): string {
  return record.config.Hostname || (record.hostConfig.NetworkMode === "host" ? hostHostname() : record.id.slice(0, 12));
}

/** A hosts file with localhost, the container's address and further `name:address` entries; `host-gateway` stands for the network's gateway. */
export function hostsText(entries: { ip: string; names: string }[], extra: readonly string[], gateway: string): string {
  const more = extra.map((text) => {
    const at = text.search(/[:=]/);
    const address = text.slice(at + 1).replace(/^\[(.*)\]$/, "$1");
    return { ip: address === "host-gateway" ? gateway : address, names: text.slice(0, at) };
  });
  const local = [
    { ip: "127.0.0.1", names: "localhost" },
    { ip: "::1", names: "localhost ip6-localhost ip6-loopback" },
    { ip: "fe00::", names: "ip6-localnet" },
    { ip: "ff00::", names: "ip6-mcastprefix" },
    { ip: "ff02::1", names: "ip6-allnodes" },
    { ip: "ff02::2", names: "ip6-allrouters" },
  ];
  return [...local, ...more, ...entries].map((e) => `${e.ip}\t${e.names}\n`).join("");
}

function hostsFile(
  ctx: EngineContext,
  record: ContainerRecord,
  own: { attachment: Attachment | undefined; name: string },
): string {
  const extra = record.hostConfig.ExtraHosts ?? [];
  const domain = record.config.Domainname;
  if (record.hostConfig.NetworkMode === "host")
    return (readIfThere("/etc/hosts") ?? "") + hostsText([], extra, "127.0.0.1").split("\n").slice(6).join("\n");
  const [short = ""] = own.name.split(".");
  const full = domain ? `${own.name}.${domain}` : own.name;
  const names = [...new Set([full, domain ? own.name : full, ...(domain || !short ? [] : [short])])].join(" ");
  const all = own.attachment ? endpointsOf(own.attachment) : [];
  const entries = all.flatMap((e) => [e.ip, e.ip6?.ip ?? ""]).flatMap((ip) => (ip ? [{ ip, names }] : []));
  const gateway = all.find((e) => e.gateway)?.gateway ?? "";
  return hostsText([...linkEntries(ctx, record), ...entries], extra, gateway);
}

/**
 * The networks of a running container have changed: hosts and resolv.conf are written again, in place, since they are bound into it. A
 * resolv.conf that was changed inside stays.
 */
export function rewriteNetworkFiles(ctx: EngineContext, record: ContainerRecord, before: ContainerRecord): void {
  const dir = containerDir(ctx, record.id);
  const attachment = ctx.network.get(record.id);
  writeFileSync(`${dir}/hosts`, hostsFile(ctx, record, { attachment, name: hostnameOf(record) }));
  if (readIfThere(`${dir}/resolv.conf`) === resolvConf(ctx, before))
    writeFileSync(`${dir}/resolv.conf`, resolvConf(ctx, record));
}

/** The addresses of linked containers, as of this start. */
function linkEntries(ctx: EngineContext, record: ContainerRecord): { ip: string; names: string }[] {
  return runningLinks(ctx, record).map(({ other, alias }) => {
    const { name, id, config } = other.record;
    const names = [...new Set([alias, config.Hostname || id.slice(0, 12), name])].join(" ");
    return { ip: ctx.network.get(id)?.ip ?? "", names };
  });
}

function resolvConf(ctx: EngineContext, record: ContainerRecord): string {
  const { Dns: dns = [], DnsSearch: search = [], DnsOptions: options = [] } = record.hostConfig;
  const modes = networksOf(ctx, record).map(([name]) => name);
  const fallback = ctx.config.dns;
  const pick = (own: string[], daemon: string[]): string[] => (own.length > 0 ? own : daemon);
  return ctx.network.resolvConf(modes, {
    dns: pick(dns, fallback.dns),
    search: pick(search, fallback.search),
    options: pick(options, fallback.options),
  });
}
