import { endpointsOf } from "../../network/networks.ts";
import type { Attachment, Endpoint } from "../../network/types.ts";
import type { PortMap } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import type { EngineContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import { networksOf, wishOf } from "./endpoints.ts";
import { filesOwner, networkDonor } from "./modes.ts";
import { hostnameOf } from "./network-files.ts";

/** A container's network for one run. `leave` undoes it. */
export interface Joined {
  attachment?: Attachment;
  /** Its own namespace. */
  netns?: string;
  /** Another container's. */
  shared?: string;
}

/** Gives the container its network, or another container's. Throws in Docker's words, leaving nothing. */
export async function joinNetwork(ctx: EngineContext, record: ContainerRecord): Promise<Joined> {
  const mode = record.hostConfig.NetworkMode ?? "bridge";
  const donor = networkDonor(ctx, record);
  if (donor) {
    const onHost = filesOwner(ctx, donor.record).hostConfig.NetworkMode === "host";
    return onHost ? {} : { shared: `/proc/${donor.record.state.pid}/ns/net` };
  }
  try {
    // An endpoint of an earlier run that could not be given back then.
    await leaveNetwork(ctx, record.id);
    const [first, ...more] = networksOf(ctx, record).map(([name, wanted]) => wishOf(ctx, record, name, wanted));
    const attachment = await ctx.network.attach({
      ...(first ?? { mode }),
      containerId: record.id,
      name: record.name,
      hostname: hostnameOf(record),
      ports: portsOf(record),
      ...(more.length > 0 ? { more } : {}),
      dns: record.hostConfig.Dns?.length ? record.hostConfig.Dns : ctx.config.dns.dns,
    });
    for (const endpoint of endpointsOf(attachment)) announce(ctx, record.id, endpoint, "connect");
    return { attachment, ...(attachment.netns ? { netns: attachment.netns } : {}) };
  } catch (error) {
    if (!(error instanceof BerthError)) throw error;
    throw new BerthError(error.kind, `failed to set up container networking: ${error.message}`, { cause: error });
  }
}

/** Gives ports and addresses back; answers when they are free. Repeatable. */
export async function leaveNetwork(ctx: EngineContext, id: string): Promise<void> {
  const attachment = ctx.network.get(id);
  if (!attachment) return;
  await ctx.network.detach(id);
  for (const endpoint of endpointsOf(attachment)) announce(ctx, id, endpoint, "disconnect");
}

/** The event of a container that comes to a network or leaves it. */
export function announce(
  ctx: EngineContext,
  container: string,
  { networkId: id, network }: Endpoint,
  action: "connect" | "disconnect",
): void {
  const type = network === "none" ? "null" : network === "host" ? "host" : "bridge";
  ctx.events.emit("network", action, { id, attributes: { container, name: network, type } });
}

/** What is published: the bindings, and with PublishAllPorts every exposed port on a free one. */
function portsOf(record: ContainerRecord): PortMap {
  const { PortBindings: bound = {}, PublishAllPorts: all } = record.hostConfig;
  const ports: PortMap = {};
  for (const [key, bindings] of Object.entries(bound))
    ports[withProtocol(key)] = bindings?.length ? bindings : [{ HostIp: "", HostPort: "" }];
  if (!all) return ports;
  for (const key of Object.keys(record.config.ExposedPorts ?? {}))
    ports[withProtocol(key)] ??= [{ HostIp: "", HostPort: "" }];
  return ports;
}

/** `80` is `80/tcp`. */
export function withProtocol(key: string): string {
  return key.includes("/") ? key.toLowerCase() : `${key}/tcp`;
}
