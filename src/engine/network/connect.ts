import { endpointsOf } from "../../network/networks.ts";
import type { EndpointSettings } from "../../spec/engine-api.ts";
import { BerthError, isKind, messageOf } from "../../spec/errors.ts";
import { networksOf, objections, wantedOf, wishOf } from "../container/endpoints.ts";
import { announce } from "../container/join.ts";
import { sharedWith } from "../container/modes.ts";
import { rewriteNetworkFiles } from "../container/network-files.ts";
import { type Container, isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";

const bad = (message: string): BerthError => new BerthError("invalid-argument", message);

/**
 * Puts a container on a network, now where it runs and at every later start: the record, then the interface. A kill between leaves a container
 * that is not where its record says: `finishConnects` puts it there. Throws in Docker's words.
 */
export async function connectNetwork(
  ctx: EngineContext,
  id: string,
  body: { Container?: string; EndpointConfig?: EndpointSettings },
): Promise<void> {
  const { Name: name = "", Driver: driver } = ctx.network.inspect(id);
  const container = containerOf(ctx, body.Container);
  if (driver === "host") {
    throw bad("cannot connect container to host network - container must be created in host network mode");
  }
  const wanted = wantedOf(body.EndpointConfig ?? {});
  await container.lock.run(async () => {
    refuseModes(ctx, container, name);
    const wrong = objections(ctx, name, wanted);
    if (wrong) throw bad(wrong);
    const before = Object.fromEntries(networksOf(ctx, container.record));
    ctx.containers.save(container, { networks: { ...before, [name]: wanted } });
    if (!isRunning(container)) return;
    try {
      await plugIn(ctx, container, name);
    } catch (error) {
      ctx.containers.save(container, { networks: before });
      throw error;
    }
  });
}

/**
 * For a running container, at start-up: the networks that its record names and that it is not on, since a daemon was killed in the middle of a connect
 * or of a disconnect. What cannot be mended is told to the log.
 */
export async function finishConnects(ctx: EngineContext, container: Container): Promise<void> {
  const { record } = container;
  const live = ctx.network.get(record.id);
  if (!record.networks || !live?.netns) return;
  const present = new Set(endpointsOf(live).map((e) => e.network));
  for (const [name] of networksOf(ctx, record)) {
    try {
      if (!present.has(ctx.network.nameOf(name))) await plugIn(ctx, container, name);
    } catch (error) {
      ctx.log("warn", `container ${record.id}: cannot connect it to network ${name}: ${messageOf(error)}`);
    }
  }
}

/** The interface, the files and the event of a network that the container's record names already. */
async function plugIn(ctx: EngineContext, { record }: Container, name: string): Promise<void> {
  const { [name]: wanted = {}, ...others } = record.networks ?? {};
  const endpoint = await ctx.network.connect(record.id, wishOf(ctx, record, name, wanted));
  rewriteNetworkFiles(ctx, record, { ...record, networks: others });
  announce(ctx, record.id, endpoint, "connect");
}

/** Takes a container off a network. */
export async function disconnectNetwork(
  ctx: EngineContext,
  id: string,
  body: { Container?: string; Force?: boolean },
): Promise<void> {
  const { Name: name = "" } = ctx.network.inspect(id);
  const container = body.Force ? endpointOwner(ctx, body.Container) : containerOf(ctx, body.Container);
  await container.lock.run(async () => {
    const before = container.record;
    const networks = Object.fromEntries(networksOf(ctx, before));
    const live = ctx.network.get(before.id);
    const endpoint = live && [live, ...(live.more ?? [])].find((e) => e.network === name);
    if (sharedWith(before.hostConfig.NetworkMode) !== undefined || (!networks[name] && !endpoint)) {
      throw new BerthError("internal", `container ${before.id} is not connected to network ${name}`);
    }
    if (name === "host")
      throw bad("cannot disconnect container from host network - container was created in host network mode");
    if (isRunning(container)) await ctx.network.disconnect(before.id, name);
    delete networks[name];
    ctx.containers.save(container, { networks });
    if (!isRunning(container) || !endpoint) return;
    rewriteNetworkFiles(ctx, container.record, before);
    announce(ctx, before.id, endpoint, "disconnect");
  });
}

/** By force Docker looks among the network's endpoints. */
function endpointOwner(ctx: EngineContext, reference = ""): Container {
  try {
    return containerOf(ctx, reference);
  } catch (error) {
    if (!isKind(error, "not-found")) throw error;
    throw new BerthError("not-found", `endpoint ${reference} not found`);
  }
}

function containerOf(ctx: EngineContext, reference: string | undefined): Container {
  if (!reference) throw bad('invalid name or ID supplied: ""');
  return ctx.containers.find(reference);
}

function refuseModes(ctx: EngineContext, container: Container, name: string): void {
  const { hostConfig } = container.record;
  const mode = hostConfig.NetworkMode ?? "bridge";
  if (mode === "host")
    throw bad("cannot connect container to another network - container was created in host network mode");
  const donor = sharedWith(mode);
  if (donor !== undefined)
    throw bad(
      "container sharing network namespace with another container or host cannot be connected to any other network",
    );
  const now = networksOf(ctx, container.record).map(([n]) => n);
  const others = now.filter((n) => n !== name);
  if ((name === "none" && others.length > 0) || now.includes("none"))
    throw bad("container cannot be connected to multiple networks with one of the networks in private (none) mode");
}
