import type { EndpointSettings } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { networksOf, objections, wantedOf, wishOf } from "../container/endpoints.ts";
import { announce } from "../container/join.ts";
import { sharedWith } from "../container/modes.ts";
import { rewriteNetworkFiles } from "../container/network-files.ts";
import { type Container, isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";

const bad = (message: string): BerthError => new BerthError("invalid-argument", message);

/**
 * Puts a container on a network, now where it runs and at every later start: one transaction, after the interface. A kill before that leaves
 * an endpoint that goes with this run. Throws in Docker's words.
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
    const networks = { ...Object.fromEntries(networksOf(ctx, container.record)), [name]: wanted };
    const before = container.record;
    const next = { ...before, networks };
    if (!isRunning(container)) return ctx.containers.save(container, { networks });
    const endpoint = await ctx.network.connect(before.id, wishOf(ctx, next, name, wanted));
    ctx.containers.save(container, { networks });
    rewriteNetworkFiles(ctx, container.record, before);
    announce(ctx, before.id, endpoint, "connect");
  });
}

/** Takes a container off a network. With `Force` a container that is no more is no error, nor is one that is not on it. */
export async function disconnectNetwork(
  ctx: EngineContext,
  id: string,
  body: { Container?: string; Force?: boolean },
): Promise<void> {
  const { Name: name = "" } = ctx.network.inspect(id);
  const container = containerOf(ctx, body.Container);
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
