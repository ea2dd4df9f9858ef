import { familiarName, type Reference } from "./reference.ts";

const HUB = "docker.io";

/** Where names lead that have no registry of their own. */
export interface NameResolution {
  /** `default-registry`: `host[:port][/prefix]`, asked for what is called Docker Hub's. Undefined: Docker Hub. */
  defaultRegistry?: string | undefined;
  /** `short-names`: a name without registry, as in `pg` or `team/app`, to `registry/repository`. */
  shortNames?: Record<string, string>;
}

/** What a short name stands for, with the tag and digest that were given; undefined where it is none. Long names are not looked up again. */
export function longName(ref: Reference, { shortNames = {} }: NameResolution): Reference | undefined {
  const name = familiarName(ref);
  if (ref.domain !== HUB || !Object.hasOwn(shortNames, name)) return undefined;
  const { domain, path } = splitFirst(shortNames[name] ?? "");
  return { ...ref, domain, path };
}

/**
 * Where a reference is fetched from and pushed to: of Docker Hub's names the default registry, where there is one, at its prefix. The image keeps its own name. Gives
 * `ref` itself where nothing changes.
 */
export function placeOf(ref: Reference, { defaultRegistry }: NameResolution): Reference {
  if (ref.domain !== HUB || !defaultRegistry) return ref;
  const { domain, path } = splitFirst(defaultRegistry);
  return { ...ref, domain, path: path === "" ? ref.path : `${path}/${ref.path}` };
}

/** The registry whose credentials a request for a name needs. */
export function registryOf(ref: Reference, resolution: NameResolution): string {
  return placeOf(longName(ref, resolution) ?? ref, resolution).domain;
}

function splitFirst(text: string): { domain: string; path: string } {
  const slash = text.indexOf("/");
  return slash < 0 ? { domain: text, path: "" } : { domain: text.slice(0, slash), path: text.slice(slash + 1) };
}
