import type { Mirror, TransferLimits } from "../registry/types.ts";
import { BerthError } from "../spec/errors.ts";
import { familiarName, parseReference, type Reference } from "../spec/reference.ts";
import type { Settings } from "./values.ts";

const HUB = "docker.io";
const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::\d+)?$/;
const MIRROR = /^https?:\/\/[^/?#\s]+(?:\/[^?#\s]*)?$/;

/**
 * `registry-mirrors`: Docker's list of URLs, which are Docker Hub's mirrors, where entries may be `REGISTRY=URL`; or an object of such lists by registry. Throws
 * `invalid-argument` for what is neither.
 */
export function mirrorsOf(given: unknown): Mirror[] {
  if (given === undefined) return [];
  const wrong = (): BerthError =>
    new BerthError("invalid-argument", "daemon configuration: registry-mirrors wants a list of URLs", {
      hint: 'or one for each registry, as in {"docker.io": ["https://mirror.example"]}',
    });
  if (Array.isArray(given)) {
    return given.map((entry: unknown) => {
      if (typeof entry !== "string") throw wrong();
      const [, registry = HUB, url = entry] = /^([^=/]+)=(.*)$/.exec(entry) ?? [];
      return mirror(registry, url);
    });
  }
  if (typeof given !== "object" || given === null) throw wrong();
  return Object.entries(given).flatMap(([registry, urls]: [string, unknown]) => {
    if (!Array.isArray(urls)) throw wrong();
    return urls.map((url: unknown) => {
      if (typeof url !== "string") throw wrong();
      return mirror(registry, url);
    });
  });
}

function mirror(name: string, url: string): Mirror {
  const registry = name === "index.docker.io" || name === "registry-1.docker.io" ? HUB : name;
  const bad = (what: string, hint: string): BerthError =>
    new BerthError("invalid-argument", `invalid mirror: ${what}`, { hint });
  if (!HOST.test(registry)) throw bad(JSON.stringify(name), "a registry's host[:port] before the =");
  if (/^https?:\/\/[^/]*@/.test(url))
    throw bad(
      url.replace(/\/\/.*@/, "//…@"),
      "a mirror is asked without a name and password: leave them out of the URL",
    );
  if (!MIRROR.test(url) || !URL.canParse(url)) throw bad(JSON.stringify(url), "a URL, as in https://mirror.example");
  return { registry, url };
}

/** `default-registry`: `host[:port][/prefix]`; undefined where it is Docker Hub. Throws `invalid-argument`. */
export function defaultRegistryOf(given: string | undefined): string | undefined {
  if (given === undefined || given === HUB) return undefined;
  const text = given.replace(/\/+$/, "");
  const [host = ""] = text.split("/");
  if (hasRegistry(`${text}/x`) && HOST.test(host) && parsed(`${text}/x`)) return text;
  throw new BerthError("invalid-argument", `invalid default-registry: ${JSON.stringify(given)}`, {
    hint: "want HOST[:PORT][/PREFIX], without https://",
  });
}

/** `short-names`: `["pg=registry.example/db/postgres"]` from flags, an object from the file. Keys come back as Docker shows names. Throws `invalid-argument`. */
export function shortNamesOf(given: unknown): Record<string, string> {
  const wrong = (what: string): BerthError =>
    new BerthError("invalid-argument", `invalid short name: ${what}`, {
      hint: "want NAME=REGISTRY/REPOSITORY, both without a tag, as in pg=registry.example/db/postgres",
    });
  const pairs: [string, unknown][] = Array.isArray(given)
    ? given.map((entry: unknown) => {
        const [, name = "", long = ""] = /^([^=]*)=(.*)$/.exec(String(entry)) ?? [];
        return [name, long];
      })
    : Object.entries(typeof given === "object" && given !== null ? given : {});
  if (given !== undefined && (typeof given !== "object" || given === null)) throw wrong(JSON.stringify(given));
  return Object.fromEntries(
    pairs.map(([name, long]) => {
      const [short, target] = [parsed(name), typeof long === "string" ? parsed(long) : undefined];
      if (!short || !target || hasRegistry(name) || !hasRegistry(String(long)))
        throw wrong(`${name}=${typeof long === "string" ? long : JSON.stringify(long)}`);
      return [familiarName(short), `${target.domain}/${target.path}`];
    }),
  );
}

/** A name without tag and digest. */
function parsed(name: string): Reference | undefined {
  try {
    const ref = parseReference(name);
    return ref.tag === undefined && ref.digest === undefined ? ref : undefined;
  } catch {
    return undefined;
  }
}

function hasRegistry(name: string): boolean {
  const [head = "", ...rest] = name.split("/");
  return rest.length > 0 && (/[.:]/.test(head) || head === "localhost");
}

/** `max-concurrent-downloads`, `max-concurrent-uploads` and `max-download-attempts`, each left out where it is 0 or not set. Throws `invalid-argument` in dockerd's words. */
export function transfersOf(s: Settings): TransferLimits {
  const number = (key: string, words: string): number | undefined => {
    const value = s[key] ?? 0;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value === 0 ? undefined : value;
    throw new BerthError("invalid-argument", `invalid max ${words}: ${JSON.stringify(value)}`, {
      hint: "a whole number is wanted; 0 is the default",
    });
  };
  const downloads = number("maxConcurrentDownloads", "concurrent downloads");
  const uploads = number("maxConcurrentUploads", "concurrent uploads");
  const attempts = number("maxDownloadAttempts", "download attempts");
  return { ...(downloads ? { downloads } : {}), ...(uploads ? { uploads } : {}), ...(attempts ? { attempts } : {}) };
}
