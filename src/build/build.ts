import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Image } from "../image/types.ts";
import type { ChainId } from "../layer/types.ts";
import { shortId } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import { familiarString, parseReference, withDefaultTag } from "../spec/reference.ts";
import { EPOCH_ARG } from "./args.ts";
import { BuildCache } from "./cache.ts";
import { Channel } from "./channel.ts";
import { openContext } from "./context.ts";
import { buildGraph } from "./graph.ts";
import { countSteps, solve } from "./solve.ts";
import { CacheSources } from "./sources.ts";
import { squashed } from "./squash.ts";
import { type Session, type StageState, unconsumed } from "./state.ts";
import type { Build, BuildDeps, BuildOptions, BuildProgress } from "./types.ts";

/** Bytes of a command's output that wait for a client that does not read. */
const OUTPUT_LIMIT = 4 * 1024 * 1024;

type Speaker = Pick<Session, "emit" | "output">;

/**
 * Docker's classic build over Berth's stores: the context is unpacked, the Dockerfile becomes a graph, the graph is solved with the cache, the
 * result becomes an image with the tags. Layers of finished steps stay in the cache when a later one fails; the context goes in
 * any case. Ending the iteration early waits for the step at hand: give `signal` to cut it short.
 */
export const build: Build = async function* build(context, options, deps) {
  const tags = options.tags.map(normaliseTag);
  const channel = new Channel<BuildProgress>(OUTPUT_LIMIT);
  const unsaid: BuildProgress[] = [];
  let unsaidBytes = 0;
  const speaker: Speaker = {
    emit: (message) => {
      if (options.quiet) unsaid.push(message);
      else channel.push(message);
    },
    output: (text) => {
      if (!options.quiet) return channel.offer({ stream: text }, text.length);
      unsaidBytes += text.length;
      if (unsaidBytes <= OUTPUT_LIMIT) unsaid.push({ stream: text });
      return unsaidBytes <= OUTPUT_LIMIT;
    },
  };
  const work = buildImage(context, { ...options, tags }, deps, speaker).finally(() => channel.close());
  // The channel is read to its end first; a failure is thrown by the await below.
  work.catch(() => undefined);
  try {
    yield* channel;
  } finally {
    await work.catch(() => undefined);
  }
  // A quiet build tells what it did where it fails.
  const failed = await work.then(
    () => false,
    () => true,
  );
  if (failed) yield* unsaid;
  const image = await work;
  yield { aux: { ID: image.id } };
  if (options.quiet) yield { stream: `${image.id}\n` };
  else {
    yield { stream: `Successfully built ${shortId(image.id)}\n` };
    for (const tag of tags) yield { stream: `Successfully tagged ${tag}\n` };
  }
  return image;
};

async function buildImage(
  tar: AsyncIterable<Uint8Array>,
  options: BuildOptions,
  deps: BuildDeps,
  speaker: Speaker,
): Promise<Image> {
  await using lease = deps.leases.acquire();
  const epoch = epochOf(options);
  const hold = (chain: ChainId): void => lease.add(chain);
  const cache = new BuildCache(deps.records, deps.layers, { read: !options.noCache, hold });
  const tmp = mkdtempSync(join(deps.tmp, "build-"));
  try {
    const folder = join(tmp, "context");
    const opened = await openContext(tar, { folder, dockerfile: options.dockerfile, layers: deps.layers });
    const graph = buildGraph(opened.dockerfile, options);
    const session: Session = {
      graph,
      options,
      deps,
      cache,
      sources: new CacheSources(options.noCache ? [] : (options.cacheFrom ?? []), deps, deps.layers),
      context: opened.view,
      tmp,
      ...speaker,
      hold,
      epoch,
      consumed: new Set(),
      stages: new Map(),
      steps: { done: 0, total: countSteps(graph, options.labels) },
    };
    const solved = await solve(session);
    const image = await publish(session, options.squash ? await squashed(session, solved) : solved);
    speaker.emit({ stream: ` ---> ${shortId(image.id)}\n` });
    const unused = unconsumed(session);
    if (unused.length > 0) {
      speaker.emit({ stream: `[Warning] One or more build-args [${unused.join(" ")}] were not consumed\n` });
    }
    return image;
  } finally {
    cache.flush();
    rmSync(tmp, { recursive: true, force: true });
  }
}

/** The image of the last state. A Dockerfile that only names an image gives that image, with the tags. */
async function publish(session: Session, state: StageState): Promise<Image> {
  const { images } = session.deps;
  const { tags } = session.options;
  if (state.untouched) {
    if (!state.base) {
      throw new BerthError("invalid-argument", "No image was generated. Is your Dockerfile empty?");
    }
    images.tag(state.base, ...tags);
    return images.resolve(state.base);
  }
  const created = state.history.at(-1)?.created ?? new Date().toISOString();
  const image = await images.create({
    ...(state.base ? { parent: state.base } : {}),
    ...(state.top ? { top: state.top } : {}),
    run: state.run,
    history: [...state.history],
    created,
    ...(state.author ? { author: state.author } : {}),
    platform: state.platform,
  });
  // One transaction: a kill leaves all of the tags or none.
  images.tag(image.id, ...tags);
  return images.resolve(image.id);
}

function normaliseTag(tag: string): string {
  const reference = withDefaultTag(parseReference(tag));
  if (reference.digest) {
    throw new BerthError("invalid-argument", `invalid tag "${tag}": a digest cannot be given to an image`, {
      hint: "use name[:tag]",
    });
  }
  return familiarString(reference);
}

function epochOf(options: BuildOptions): number | undefined {
  const text = options.buildArgs[EPOCH_ARG];
  if (!text) return undefined;
  if (/^[0-9]{1,11}$/.test(text)) return Number(text);
  throw new BerthError("invalid-argument", `invalid ${EPOCH_ARG}: ${text}`, { hint: "seconds since 1970" });
}
