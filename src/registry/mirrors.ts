import type { Reference } from "../spec/reference.ts";
import { Connection } from "./connection.ts";
import { mirrorEndpoint } from "./endpoints.ts";
import type { MirrorHealth } from "./health.ts";
import { MirroredRepository } from "./mirrored.ts";
import { openRepository } from "./repository.ts";
import { RETRY } from "./retry.ts";
import type { Source } from "./round.ts";
import type { Mirror, MirrorReport, OnWrong, RegistryOptions, Repository, RepositoryOptions } from "./types.ts";

/** Of a mirror on which nothing moves, there is another to ask. Milliseconds. */
const STALL_MS = 10_000;

/**
 * A repository that is asked of its registry's mirrors first, in their order, and of `own`, the registry itself, where none of them gives what is asked for.
 * Mirrors get neither credentials nor tokens of the registry's: each has a connection of its own, without any.
 */
export function mirrored(
  own: Repository,
  ref: Reference,
  { options, health, how }: { options: RegistryOptions; health: MirrorHealth; how: RepositoryOptions },
): Repository {
  const mirrors = options.mirrors.filter(({ registry }) => registry === ref.domain);
  if (mirrors.length === 0) return own;
  const sources = mirrors.map(({ url }) => sourceOf(url, ref, { options, health, how }));
  return new MirroredRepository({
    sources,
    own,
    health,
    registry: ref.domain,
    signal: how.signal,
    onWrong: once(how.onWrong),
  });
}

/** Tells of each mirror once, however much of it is wrong. */
function once(tell: OnWrong = () => undefined): OnWrong {
  const told = new Set<string>();
  return (url, why) => {
    if (!told.has(url)) tell(url, why);
    told.add(url);
  };
}

function sourceOf(
  url: string,
  ref: Reference,
  { options, health, how }: { options: RegistryOptions; health: MirrorHealth; how: RepositoryOptions },
): Source {
  const { endpoint, prefix } = mirrorEndpoint(url, options);
  const retry = { ...RETRY, ...options.retry };
  const connection = new Connection(
    [endpoint],
    {},
    {
      ...options,
      // Another source is asked instead of the same one again.
      retry: { ...retry, attempts: 0, stallMs: Math.min(retry.stallMs, STALL_MS) },
      signal: how.signal,
      answerMs: health.options.answerMs,
      ns: ref.domain,
    },
  );
  const place = { ...ref, domain: new URL(url).host, path: `${prefix}${ref.path}` };
  const { credentials: _, ...rest } = how;
  return { url, repository: openRepository(connection, place, rest), open: () => connection.open() };
}

/** How the mirrors are, registry by registry, in the order in which they are configured. */
export function mirrorReports(mirrors: readonly Mirror[], health: MirrorHealth): MirrorReport[] {
  health.keep(mirrors.map(({ url }) => url));
  return [...new Set(mirrors.map(({ registry }) => registry))].map((registry) => {
    const own = mirrors.filter((mirror) => mirror.registry === registry);
    const last = health.last(registry);
    return { registry, mirrors: own.map(({ url }) => health.state(url)), ...(last ? { last } : {}) };
  });
}
