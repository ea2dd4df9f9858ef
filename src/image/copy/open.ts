import type { Repository } from "../../registry/types.ts";
import { BerthError } from "../../spec/errors.ts";
import { formatImagePlace, type ImagePlace } from "../../spec/image-place.ts";
import type { ImageProgress } from "../types.ts";
import { archiveSink, type WriteBytes } from "./archive-sink.ts";
import { type Copied, copyImages } from "./copy.ts";
import { dockerSource } from "./docker-source.ts";
import { openArchive, openFolder } from "./layout-files.ts";
import { layoutSink } from "./layout-sink.ts";
import { layoutSource } from "./layout-source.ts";
import { registrySink, registrySource } from "./registry.ts";
import type { CopySink, CopySource } from "./types.ts";

/** A place with what it takes to get there: a registry's repository. */
export interface ReachablePlace {
  place: ImagePlace;
  repository?: Repository;
}

/** What to copy where. */
export interface CopyRequest {
  from: readonly ReachablePlace[];
  to: ReachablePlace;
  platform?: string | undefined;
  referrers?: boolean;
  signal: AbortSignal;
  /** Standard input and output, for the path `-`. */
  input: () => AsyncIterable<Uint8Array>;
  output: WriteBytes;
}

/** `berth copy`: opens both ends, copies, closes them whatever happens. As `copyImages`. */
export async function* copy(request: CopyRequest): AsyncGenerator<ImageProgress, Copied[]> {
  const { from, to, input, output, signal, platform, referrers = false } = request;
  await using open = new AsyncDisposableStack();
  const sources: CopySource[] = [];
  for (const one of from) sources.push(open.use(await openSource(one, { input, signal })));
  const sink = open.use(await openSink(to, output));
  return yield* copyImages(sources, sink, { platform, referrers, signal });
}

async function openSource(
  { place, repository }: ReachablePlace,
  { input, signal }: Pick<CopyRequest, "input" | "signal">,
): Promise<CopySource> {
  if (place.kind === "registry") return registrySource(reached(place, repository), place.ref, signal);
  const name = `${place.kind}:${place.path}`;
  if (place.kind === "oci") return layoutSource(await openFolder(place.path, name), place);
  const stream = place.path === "-" ? { stream: input() } : {};
  const files = await openArchive({ path: place.path, ...stream }, name);
  try {
    return await (place.kind === "oci-archive" ? layoutSource(files, place) : dockerSource(files, place));
  } catch (error) {
    await files[Symbol.asyncDispose]();
    throw error;
  }
}

async function openSink({ place, repository }: ReachablePlace, output: WriteBytes): Promise<CopySink> {
  if (place.kind === "registry") return registrySink(reached(place, repository), place.ref);
  return place.kind === "oci" ? layoutSink(place) : archiveSink(place, output);
}

function reached(place: ImagePlace, repository: Repository | undefined): Repository {
  if (repository) return repository;
  throw new BerthError("internal", `${formatImagePlace(place)}: no way to its registry was given`);
}
