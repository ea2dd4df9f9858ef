import { type Digest, isDigest } from "./digest.ts";
import { BerthError } from "./errors.ts";

/** A parsed image reference (distribution/reference grammar). `domain` and `path` are always filled in. */
export interface Reference {
  /** Registry host, `docker.io` where none was given. */
  domain: string;
  /** Repository path, with `library/` for one-word names of docker.io. */
  path: string;
  tag?: string;
  digest?: Digest;
}

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*";
const PATH = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const DOMAIN =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;
/** A tag (distribution-spec, "Pulling manifests"). */
export const TAG = /^[\w][\w.-]{0,127}$/;

/** Parses `[domain/]path[:tag][@digest]`; throws `invalid-argument` with Docker's words. */
export function parseReference(text: string): Reference {
  const bad = () => new BerthError("invalid-argument", "invalid reference format");
  const [named = "", digest, extra] = text.split("@");
  if (digest !== undefined && /^sha(384|512):[0-9a-f]+$/.test(digest)) {
    throw new BerthError(
      "invalid-argument",
      `invalid reference format: only sha256 digests are supported, not ${digest.slice(0, 6)}`,
    );
  }
  if (extra !== undefined || (digest !== undefined && !isDigest(digest))) throw bad();
  const colon = named.lastIndexOf(":");
  const tag = colon > named.lastIndexOf("/") ? named.slice(colon + 1) : undefined;
  const name = tag === undefined ? named : named.slice(0, colon);
  if (tag !== undefined && !TAG.test(tag)) throw bad();
  const { domain, path } = splitDomain(name);
  if (name !== name.toLowerCase() && path !== path.toLowerCase()) {
    throw new BerthError("invalid-argument", `invalid reference format: repository name (${path}) must be lowercase`);
  }
  if (domain.length + path.length > 255 && PATH.test(path))
    throw new BerthError("invalid-argument", "repository name must not be more than 255 characters");
  if (!PATH.test(path) || !DOMAIN.test(domain)) throw bad();
  return { domain, path, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf("/");
  const head = name.slice(0, slash);
  const isHost = slash > 0 && (/[.:]/.test(head) || head === "localhost" || head !== head.toLowerCase());
  const domain = isHost ? (head === "index.docker.io" ? "docker.io" : head) : "docker.io";
  const rest = isHost ? name.slice(slash + 1) : name;
  return { domain, path: domain === "docker.io" && !rest.includes("/") ? `library/${rest}` : rest };
}

/** The repository as Docker shows it: `busybox`, `user/app`, `host:5000/app`. */
export function familiarName(ref: Reference): string {
  if (ref.domain !== "docker.io") return `${ref.domain}/${ref.path}`;
  return ref.path.startsWith("library/") && ref.path.split("/").length === 2 ? ref.path.slice(8) : ref.path;
}

/** The whole reference as Docker shows it: `busybox:latest`, `app@sha256:…`. No tag is added. */
export function familiarString(ref: Reference): string {
  return `${familiarName(ref)}${ref.tag ? `:${ref.tag}` : ""}${ref.digest ? `@${ref.digest}` : ""}`;
}

/** With tag `latest` where neither tag nor digest is given. */
export function withDefaultTag(ref: Reference): Reference {
  return ref.tag || ref.digest ? ref : { ...ref, tag: "latest" };
}
