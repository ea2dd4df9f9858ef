import type { Attachment } from "../../network/types.ts";
import type { PortMap } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import type { EngineContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
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
    const attachment = await ctx.network.attach({
      containerId: record.id,
      name: record.name,
      hostname: hostnameOf(record),
      mode,
      ports: portsOf(record),
      ...(record.config.MacAddress ? { mac: record.config.MacAddress } : {}),
    });
    announce(ctx, attachment, "connect");
    return { attachment, ...(attachment.netns ? { netns: attachment.netns } : {}) };
  } catch (error) {
    if (!(error instanceof BerthError)) throw error;
    throw new BerthError(error.kind, `failed to set up container networking: ${error.message}`, { cause: error });
  }
}

/** Gives ports and address back; answers when they are free. Repeatable. */
export async function leaveNetwork(ctx: EngineContext, id: string): Promise<void> {
  const attachment = ctx.network.get(id);
  if (!attachment) return;
  await ctx.network.detach(id);
  announce(ctx, attachment, "disconnect");
}

function announce(ctx: EngineContext, attachment: Attachment, action: "connect" | "disconnect"): void {
  const { networkId: id, network, containerId } = attachment;
  const type = network === "none" ? "null" : network === "host" ? "host" : "bridge";
  ctx.events.emit("network", action, { id, attributes: { container: containerId, name: network, type } });
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
