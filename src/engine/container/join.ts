import type { Attachment } from "../../network/types.ts";
import type { PortMap } from "../../spec/engine-api.ts";
import { BerthError, messageOf } from "../../spec/errors.ts";
import { isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import { hostnameOf } from "./network-files.ts";

/** A container's network for one run. `leave` undoes it. */
export interface Joined {
  attachment: Attachment;
  netns?: string;
}

/** Gives the container its network, or another container's. Throws in Docker's words, leaving nothing. */
export async function joinNetwork(ctx: EngineContext, record: ContainerRecord): Promise<Joined> {
  const mode = record.hostConfig.NetworkMode ?? "bridge";
  if (mode.startsWith("container:")) return joinContainer(ctx, mode.slice("container:".length));
  try {
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

function joinContainer(ctx: EngineContext, reference: string): Joined {
  let other: ReturnType<EngineContext["containers"]["find"]>;
  try {
    other = ctx.containers.find(reference);
  } catch (error) {
    throw new BerthError("not-found", `joining network namespace of container: ${messageOf(error)}`, { cause: error });
  }
  if (!isRunning(other)) {
    throw new BerthError("conflict", `cannot join network namespace of a non running container: ${other.record.id}`);
  }
  const theirs = ctx.network.get(other.record.id);
  const none: Attachment = {
    containerId: other.record.id,
    network: "",
    networkId: "",
    endpointId: "",
    ip: "",
    prefix: 0,
    gateway: "",
    mac: "",
    ports: {},
  };
  return { attachment: theirs ?? none, netns: `/proc/${other.record.state.pid}/ns/net` };
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
