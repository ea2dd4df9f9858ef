import { createHash } from "node:crypto";
import type { Attachment } from "../../network/types.ts";
import type { EndpointSettings, NetworkSettings, Port, PortMap } from "../../spec/engine-api.ts";
import type { EngineContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import { withProtocol } from "./join.ts";

/** `NetworkSettings` of inspect, with every key that Docker shows. */
export function networkSettings(ctx: EngineContext, record: ContainerRecord): NetworkSettings {
  const attachment = ctx.network.get(record.id);
  return {
    Bridge: "",
    SandboxID: attachment?.netns ? createHash("sha256").update(attachment.netns).digest("hex") : "",
    SandboxKey: attachment?.netns ?? "",
    Ports: shownPorts(record, attachment),
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: attachment?.network === "bridge" ? attachment.endpointId : "",
    Gateway: attachment?.gateway ?? "",
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    IPAddress: attachment?.ip ?? "",
    IPPrefixLen: attachment?.prefix ?? 0,
    IPv6Gateway: "",
    MacAddress: attachment?.mac ?? "",
    Networks: endpoints(ctx, record),
  };
}

/** `Networks` of inspect and list: one endpoint by its network's name; none for `container:` modes. */
export function endpoints(ctx: EngineContext, record: ContainerRecord): { [key: string]: EndpointSettings } {
  const mode = record.hostConfig.NetworkMode ?? "bridge";
  if (mode.startsWith("container:")) return {};
  const attachment = ctx.network.get(record.id);
  const endpoint = {
    IPAMConfig: null,
    Links: null,
    Aliases: null,
    MacAddress: attachment?.mac ?? "",
    DriverOpts: null,
    GwPriority: 0,
    NetworkID: attachment?.networkId ?? "",
    EndpointID: attachment?.endpointId ?? "",
    Gateway: attachment?.gateway ?? "",
    IPAddress: attachment?.ip ?? "",
    IPPrefixLen: attachment?.prefix ?? 0,
    IPv6Gateway: "",
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    DNSNames: null,
  };
  // The specification's type has no null for the lists that Docker shows as null.
  return { [attachment?.network || mode]: endpoint as unknown as EndpointSettings };
}

/** `Ports` of list: published ones with address and number, exposed ones without; sorted. */
export function listedPorts(ctx: EngineContext, record: ContainerRecord): Port[] {
  const ports: Port[] = [];
  for (const [key, bindings] of Object.entries(shownPorts(record, ctx.network.get(record.id)))) {
    const [number = "0", protocol = "tcp"] = key.split("/");
    const own = { PrivatePort: Number(number), Type: protocol as Port["Type"] };
    if (!bindings) ports.push(own);
    for (const b of bindings ?? []) ports.push({ ...own, IP: b.HostIp ?? "", PublicPort: Number(b.HostPort) });
  }
  return ports.sort((a, b) => a.PrivatePort - b.PrivatePort || (a.PublicPort ?? 0) - (b.PublicPort ?? 0));
}

function shownPorts(record: ContainerRecord, attachment: Attachment | undefined): PortMap {
  if (!attachment || record.state.status !== "running") return {};
  const exposed = Object.keys(record.config.ExposedPorts ?? {}).map((key): [string, null] => [withProtocol(key), null]);
  return { ...Object.fromEntries(exposed), ...attachment.ports };
}
