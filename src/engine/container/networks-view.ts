import { createHash } from "node:crypto";
import { endpointsOf } from "../../network/networks.ts";
import type { Attachment, Endpoint } from "../../network/types.ts";
import type { EndpointSettings, NetworkSettings, Port, PortMap } from "../../spec/engine-api.ts";
import { once } from "../../spec/once.ts";
import type { EngineContext } from "../context.ts";
import type { ContainerRecord, EndpointWanted } from "../record.ts";
import { dnsNames, isUserDefined, networksOf } from "./endpoints.ts";
import { withProtocol } from "./join.ts";
import { sharedWith } from "./modes.ts";

const SANDBOXES = new WeakMap<Attachment, string>();

function sandboxOf({ netns }: Attachment): string {
  return netns ? createHash("sha256").update(netns).digest("hex") : "";
}

/** `NetworkSettings` of inspect, with every key that Docker shows. The addresses at its top are those on the default bridge. */
export function networkSettings(ctx: EngineContext, record: ContainerRecord): NetworkSettings {
  const attachment = ctx.network.get(record.id);
  const onBridge = attachment && endpointsOf(attachment).find((e) => e.network === "bridge");
  return {
    Bridge: "",
    SandboxID: attachment ? once(SANDBOXES, attachment, sandboxOf) : "",
    SandboxKey: attachment?.netns ?? "",
    Ports: shownPorts(record, attachment),
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: onBridge?.endpointId ?? "",
    Gateway: onBridge?.gateway ?? "",
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    IPAddress: onBridge?.ip ?? "",
    IPPrefixLen: onBridge?.prefix ?? 0,
    IPv6Gateway: "",
    MacAddress: onBridge?.mac ?? "",
    Networks: endpoints(ctx, record),
  };
}

/** `Networks` of inspect and list: an endpoint by its network's name, whether it runs or not; none for `container:` modes. */
export function endpoints(ctx: EngineContext, record: ContainerRecord): { [key: string]: EndpointSettings } {
  if (sharedWith(record.hostConfig.NetworkMode) !== undefined) return {};
  const attachment = ctx.network.get(record.id);
  const live = attachment ? endpointsOf(attachment) : [];
  const wanted = networksOf(ctx, record).filter(([name]) => !attachment || live.some((e) => e.network === name));
  return Object.fromEntries(
    wanted.map(([name, asked]) => [
      name,
      shownEndpoint(
        record,
        { name, asked },
        live.find((e) => e.network === name),
      ),
    ]),
  );
}

function shownEndpoint(
  record: ContainerRecord,
  { name, asked }: { name: string; asked: EndpointWanted },
  live: Endpoint | undefined,
): EndpointSettings {
  const shown = {
    IPAMConfig: asked.IPAMConfig ?? null,
    Links: asked.Links ?? null,
    Aliases: asked.Aliases ?? null,
    MacAddress: live?.mac ?? asked.MacAddress ?? "",
    DriverOpts: asked.DriverOpts ?? null,
    GwPriority: asked.GwPriority ?? 0,
    NetworkID: live?.networkId ?? "",
    EndpointID: live?.endpointId ?? "",
    Gateway: live?.gateway ?? "",
    IPAddress: live?.ip ?? "",
    IPPrefixLen: live?.prefix ?? 0,
    IPv6Gateway: live?.ip6?.gateway ?? "",
    GlobalIPv6Address: live?.ip6?.ip ?? "",
    GlobalIPv6PrefixLen: live?.ip6?.prefix ?? 0,
    DNSNames: isUserDefined(name) && (live || record.state.startedAt > 0) ? dnsNames(record, asked) : null,
  };
  // The specification's type has no null for the lists that Docker shows as null.
  return shown as unknown as EndpointSettings;
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
