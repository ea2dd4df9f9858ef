import { randomBytes } from "node:crypto";
import type { CreateBody } from "../../api/backend.ts";
import { removeTree } from "../../host/files.ts";
import type { Image } from "../../image/types.ts";
import type { ContainerConfig, HostConfig } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { checkedPlatform, formatPlatform, hostPlatform, platformMatches } from "../../spec/platform.ts";
import { containerDir, type EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { generateName } from "../names.ts";
import { type ContainerRecord, type EndpointWanted, freshState } from "../record.ts";
import { resolveUser } from "../user.ts";
import { argvOf, mergeConfig, withoutNulls } from "./config.ts";
import { wantedNetworks } from "./endpoints.ts";
import { fillVolumes } from "./fill.ts";
import { normaliseHostConfig } from "./host-config.ts";
import { withoutUnsupported } from "./host-support.ts";
import { resolveIdMaps } from "./id-maps.ts";
import { bindLinks } from "./links.ts";
import { checkModes } from "./modes.ts";
import { planMounts } from "./mounts.ts";
import { placeSecrets, withoutSecrets, writeSecrets } from "./secrets.ts";
import { checkConfig, checkHostConfig, checkName } from "./validate.ts";
import { checkIsolation } from "./validate-isolation.ts";
import { type MadeVolumes, makeVolumes } from "./volumes.ts";
import { makeWritableLayer, releaseWritableLayer } from "./writable-layer.ts";

const ID_BYTES = 32;
const SHORT_ID = 12;

/**
 * Makes a container: one transaction, after its folder and volumes. A kill before that leaves a folder without a record and volumes that have not
 * settled; start-up removes both. Throws `not-found` (image), `conflict` (name), `invalid-argument`, each in Docker's words.
 */
export async function createContainer(
  ctx: EngineContext,
  name: string | undefined,
  body: CreateBody,
  options: { platform?: string } = {},
): Promise<{ Id: string; Warnings: string[] }> {
  const image = imageFor(ctx, body, options.platform);
  const config = withMac(mergeConfig(body, image.config.config ?? {}), body);
  const argv = argvOf(config);
  checkModes(withoutNulls(body), withoutNulls(body.HostConfig ?? {}));
  const { hostConfig, warnings } = withoutUnsupported(bindLinks(ctx, normaliseHostConfig(ctx, body.HostConfig)));
  checkConfig(config);
  checkIsolation(hostConfig);
  const networks = wantedNetworks(ctx, body, hostConfig);
  warnings.push(...checkHostConfig(ctx, hostConfig));
  const planned = planMounts(ctx, config, hostConfig);
  const id = newId(ctx);
  const chosen = name ? checkName(name) : generateName((n) => ctx.containers.hasName(n));
  await using lease = ctx.leases.acquire();
  if (image.top) lease.add(image.top);
  ctx.containers.reserve(chosen, id);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => ctx.containers.release(chosen));
  checkUser(ctx, image, config);
  const dir = containerDir(ctx, id);
  const plans = placeSecrets(resolveIdMaps(ctx, planned, { top: image.top, config, hostConfig }), dir);
  checkFolder(ctx, image, config.WorkingDir ?? "");
  const volumes = await makeVolumes(ctx, plans);
  undo.defer(volumes.undo);
  undo.defer(() => {
    releaseWritableLayer(dir);
    removeTree(dir);
  });
  makeWritableLayer(dir, hostConfig);
  writeSecrets(plans);
  await fillVolumes(ctx, image.top, volumes.fill);
  // The image may have been removed meanwhile; from the record on it is protected.
  if (!ctx.images.get(image.id)) throw new BerthError("not-found", `No such image: ${body.Image}`);
  addRecord(ctx, {
    id,
    name: chosen,
    image,
    config: withHostname(config, id, hostConfig),
    hostConfig: withoutSecrets(hostConfig),
    ...(networks ? { networks } : {}),
    argv,
    volumes,
  });
  undo.move();
  return { Id: id, Warnings: warnings };
}

function addRecord(
  ctx: EngineContext,
  parts: {
    id: string;
    name: string;
    image: Image;
    config: ContainerConfig;
    hostConfig: HostConfig;
    networks?: Record<string, EndpointWanted>;
    argv: string[];
    volumes: MadeVolumes;
  },
): void {
  const { image, volumes, ...own } = parts;
  const record: ContainerRecord = {
    ...own,
    mounts: volumes.mounts,
    created: Date.now(),
    sequence: ctx.containers.nextSequence(),
    image: image.id,
    imageName: parts.config.Image ?? image.id,
    ...(image.top ? { top: image.top } : {}),
    state: freshState(),
  };
  const container = ctx.containers.add(record, () => ctx.volumes.settle(volumes.anonymous));
  emitContainer(ctx.events, container, "create");
}

function imageFor(ctx: EngineContext, body: CreateBody, platform: string | undefined): Image {
  if (!body.Image) throw new BerthError("invalid-argument", "no command specified");
  const image = ctx.images.resolve(body.Image);
  const wanted = platform ? checkedPlatform(platform) : hostPlatform();
  if (platform && !platformMatches(image.config, wanted)) {
    throw new BerthError(
      "not-found",
      `image with reference ${body.Image} was found but its platform (${formatPlatform(image.config)}) does not match the specified platform (${formatPlatform(wanted)})`,
    );
  }
  return image;
}

/** Docker refuses an unknown user at start; the text alone can be wrong only here. */
function checkUser(ctx: EngineContext, image: Image, config: ContainerConfig): void {
  const user = config.User ?? "";
  if (/^\d*(:\d*)?$/.test(user)) resolveUser(ctx.accounts.of(image.top), user);
}

/** A working folder that the image lacks is made; what it has there must be one. */
function checkFolder(ctx: EngineContext, image: Image, path: string): void {
  if (path === "" || path === "/") return;
  const view = ctx.layers.view(image.top);
  const there = view.lstat(view.resolve(path));
  if (there && there.type !== "dir")
    throw new BerthError("invalid-argument", `Cannot mkdir: ${path} is not a directory`);
}

/** Newer clients give the MAC address with the network. */
function withMac(config: ContainerConfig, body: CreateBody): ContainerConfig {
  const all = Object.values(body.NetworkingConfig?.EndpointsConfig ?? {});
  const [endpoint] = all.length === 1 ? all : [];
  return config.MacAddress || !endpoint?.MacAddress ? config : { ...config, MacAddress: endpoint.MacAddress };
}

function withHostname(config: ContainerConfig, id: string, host: HostConfig): ContainerConfig {
  if (config.Hostname || host.NetworkMode === "host") return config;
  return { ...config, Hostname: id.slice(0, SHORT_ID) };
}

function newId(ctx: EngineContext): string {
  for (;;) {
    const id = randomBytes(ID_BYTES).toString("hex");
    // An id whose short form is a number would look like one to `ps --filter`; it is also what Docker avoids.
    if (!/^\d+$/.test(id.slice(0, SHORT_ID)) && !ctx.containers.get(id)) return id;
  }
}
