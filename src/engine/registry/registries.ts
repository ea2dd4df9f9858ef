import type { Filters, RegistryAuth, RegistryBackend } from "../../api/backend.ts";
import type { FetchedManifest, Repository, SearchResult } from "../../registry/types.ts";
import type { DistributionInspect } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { withDefaultTag } from "../../spec/reference.ts";
import type { EngineContext } from "../context.ts";
import { credentialsOf, hostOf, meant } from "../image/pull.ts";

const DEFAULT_LIMIT = 25;
const MAX_LIMIT = 100;
const MAX_CONFIG = 4 * 1024 * 1024;

/** Router `registry`: what registries are asked without an image of ours. */
export function registryBackend(ctx: EngineContext): RegistryBackend {
  return {
    login: (auth) => login(ctx, auth),
    search: (term, options) => search(ctx, term, options),
    distribution: (name, auth) => distribution(ctx, name, auth),
  };
}

async function login(ctx: EngineContext, auth: RegistryAuth): Promise<{ Status: string; IdentityToken?: string }> {
  const host = hostOf(auth.serveraddress ?? "");
  const { identityToken } = await ctx.registry.login(host, credentialsOf(auth));
  return { Status: "Login Succeeded", ...(identityToken ? { IdentityToken: identityToken } : {}) };
}

async function search(
  ctx: EngineContext,
  term: string,
  { limit, filters, auth }: { limit: number; filters: Filters; auth?: RegistryAuth },
): Promise<SearchResult[]> {
  const most = limit || DEFAULT_LIMIT;
  if (most < 1 || most > MAX_LIMIT) {
    throw new BerthError("invalid-argument", `limit ${most} is outside the range of [1, ${MAX_LIMIT}]`);
  }
  const keep = filterOf(filters);
  const results = await ctx.registry.search(term, { limit: most, credentials: credentialsOf(auth) });
  return results.filter(keep);
}

function filterOf(filters: Filters): (result: SearchResult) => boolean {
  const unknown = Object.keys(filters).find((key) => !["is-automated", "is-official", "stars"].includes(key));
  if (unknown !== undefined) throw new BerthError("invalid-argument", `invalid filter '${unknown}'`);
  const wish = (key: string): boolean | undefined => {
    const value = filters[key]?.[0];
    if (value === undefined) return undefined;
    if (["true", "1"].includes(value)) return true;
    if (["false", "0"].includes(value)) return false;
    throw new BerthError("invalid-argument", `invalid filter '${key}=[${filters[key]}]'`);
  };
  const [automated, official] = [wish("is-automated"), wish("is-official")];
  const stars = Number(filters["stars"]?.at(-1) ?? 0);
  if (!Number.isInteger(stars))
    throw new BerthError("invalid-argument", `invalid filter 'stars=[${filters["stars"]}]'`);
  return (r) =>
    (automated === undefined || r.is_automated === automated) &&
    (official === undefined || r.is_official === official) &&
    r.star_count >= stars;
}

/** The descriptor of what a name stands for, and the platforms that it is for. */
async function distribution(ctx: EngineContext, name: string, auth?: RegistryAuth): Promise<DistributionInspect> {
  const { ref: named, credentials } = meant(ctx, name, auth);
  const ref = withDefaultTag(named);
  const repository = ctx.registry.repository(ref, { credentials });
  const top = await repository.manifest(ref.digest ?? ref.tag ?? "latest");
  return {
    Descriptor: { mediaType: top.mediaType, digest: top.digest, size: top.bytes.byteLength },
    Platforms: await platformsOf(repository, top),
  };
}

type Platform = DistributionInspect["Platforms"][number];

async function platformsOf(repository: Repository, { bytes }: FetchedManifest): Promise<Platform[]> {
  const parsed = JSON.parse(bytes.toString()) as {
    manifests?: { platform?: Platform }[];
    config?: { digest: `sha256:${string}` };
  };
  if (parsed.manifests) return parsed.manifests.flatMap((m) => (m.platform ? [m.platform] : []));
  if (!parsed.config) return [];
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of await repository.blob(parsed.config.digest)) {
    size += part.byteLength;
    if (size > MAX_CONFIG)
      throw new BerthError("invalid-argument", `config ${parsed.config.digest} is larger than ${MAX_CONFIG} bytes`);
    parts.push(part);
  }
  const {
    os = "",
    architecture = "",
    variant,
  } = JSON.parse(Buffer.concat(parts).toString()) as { os?: string; architecture?: string; variant?: string };
  return [{ architecture, os, ...(variant ? { variant } : {}) } as Platform];
}
