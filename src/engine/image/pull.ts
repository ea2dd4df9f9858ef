import type { ImageBackend, Progress, RegistryAuth } from "../../api/backend.ts";
import { pullStatus } from "../../image/pull.ts";
import type { Credentials } from "../../registry/types.ts";
import { BerthError } from "../../spec/errors.ts";
import { familiarName, familiarString, parseReference, type Reference, withDefaultTag } from "../../spec/reference.ts";
import { longName, registryOf } from "../../spec/resolution.ts";
import type { EngineContext } from "../context.ts";
import { inUse } from "./prune.ts";

const HUB = "docker.io";

/** Pulls one image, or with `all` every tag of its repository; each is announced when it is there. */
export async function* pullImages(
  ctx: EngineContext,
  name: string,
  options: Parameters<ImageBackend["pull"]>[1],
): AsyncGenerator<Progress> {
  const { all, auth, ...rest } = options;
  const { ref, credentials } = meant(ctx, name, auth);
  const line = resolvedLine(name, ref);
  if (line) yield line;
  const how = { ...rest, credentials, keep: inUse(ctx) };
  let fresh = false;
  const ended = all ? { ended: (one: boolean) => void (fresh ||= one) } : {};
  for (const one of all ? await allTags(ctx, ref, { credentials, signal: rest.signal }) : [withDefaultTag(ref)]) {
    for await (const line of ctx.images.pull(ctx.registry, one, { ...how, ...ended })) yield { ...line };
    announce(ctx, "pull", one);
  }
  if (all) yield { ...pullStatus(fresh, familiarName(ref)) };
}

async function allTags(
  ctx: EngineContext,
  ref: Reference,
  access: { credentials: Credentials; signal: AbortSignal },
): Promise<Reference[]> {
  if (ref.tag || ref.digest) throw new BerthError("invalid-argument", "tag can't be used with --all-tags/-a");
  const tags = await ctx.registry.repository(ref, access).tags();
  if (tags.length === 0) throw new BerthError("not-found", `repository ${familiarString(ref)} has no tags`);
  return tags.map((tag) => ({ ...ref, tag }));
}

/** The event of a transfer: its actor is the name, as dockerd has it. */
export function announce(ctx: EngineContext, action: "pull" | "push", ref: Reference): void {
  const labels = ctx.images.resolve(familiarString(ref)).config.config?.Labels;
  ctx.events.emit("image", action, { id: familiarString(ref), attributes: { ...labels, name: familiarName(ref) } });
}

/** What a name stands for, and what of the credentials is for its registry. */
export function meant(
  ctx: EngineContext,
  name: string,
  auth: RegistryAuth | undefined,
): { ref: Reference; credentials: Credentials } {
  const credentials = credentialsOf(auth);
  const given = parseReference(name);
  const ref = longName(given, ctx.registry.options);
  if (!ref) return { ref: given, credentials };
  return { ref, credentials: credentials.server === registryOf(given, ctx.registry.options) ? credentials : {} };
}

/** Says what a short name was found to mean. */
function resolvedLine(given: string, { domain, path }: Reference): Progress | undefined {
  const short = parseReference(given);
  if (short.domain === domain && short.path === path) return undefined;
  return { status: `Resolved short name ${familiarName(short)} to ${domain}/${path}` };
}

/** The API's credentials in the registry client's terms. */
export function credentialsOf(auth: RegistryAuth | undefined): Credentials {
  const { username, password, identitytoken, registrytoken, serveraddress } = auth ?? {};
  return {
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
    ...(identitytoken ? { identityToken: identitytoken } : {}),
    ...(registrytoken ? { registryToken: registrytoken } : {}),
    ...(serveraddress ? { server: hostOf(serveraddress) } : {}),
  };
}

/** The registry's host from an address as clients send it: a URL, or a host alone. */
export function hostOf(address: string): string {
  const host = address.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return host === "" || host === "index.docker.io" || host === "registry-1.docker.io" ? HUB : host;
}
