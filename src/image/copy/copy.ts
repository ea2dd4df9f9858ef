import { type Digest, shortId } from "../../spec/digest.ts";
import type { ContentDescriptor } from "../content.ts";
import { MessageQueue } from "../message-queue.ts";
import type { ImageProgress } from "../types.ts";
import { type PlanOptions, planImage } from "./plan.ts";
import type { CopySink, CopySource, PlannedImage } from "./types.ts";
import { VerifiedBlob } from "./verified.ts";

const PROGRESS_STEP = 256 * 1024;
const MOST_SHOWN = 200;

/** What to copy, and what ends it. */
export interface CopyOptions extends PlanOptions {
  signal: AbortSignal;
}

/** One image that was copied: the digest of what its name stands for, which is the same at both ends. */
export interface Copied {
  source: string;
  digest: Digest;
}

/**
 * Copies images as they are, byte for byte: no layer is unpacked, and none held in memory. Blobs that the sink has are skipped, each other is sent once and verified on its way. Only at the very end
 * anything is seen at the destination; a failure, an abort or a kill before leaves what was there. Yields lines of progress like a pull's.
 */
export async function* copyImages(
  sources: readonly CopySource[],
  sink: CopySink,
  options: CopyOptions,
): AsyncGenerator<ImageProgress, Copied[]> {
  const images: PlannedImage[] = [];
  for (const source of sources) images.push(await planImage(source, options));
  options.signal.throwIfAborted();
  const blobs = new Map<Digest, { blob: ContentDescriptor; source: CopySource }>();
  for (const { source, blobs: own } of images)
    for (const blob of own) if (!blobs.has(blob.digest)) blobs.set(blob.digest, { blob, source });
  const order = await sink.begin(
    images,
    [...blobs.values()].map(({ blob }) => blob),
  );
  for (const { notes, foreign } of images) {
    for (const status of notes) yield { status };
    for (const layer of foreign) yield { id: shortId(layer.digest), status: foreignWords(layer) };
  }
  const queue = new MessageQueue<ImageProgress>();
  const work = order.flatMap((blob) => blobs.get(blob.digest) ?? []);
  for (const { blob } of work) yield { id: shortId(blob.digest), status: "Waiting", progressDetail: {} };
  yield* queue.until(transferAll(work, { sink, queue, signal: options.signal }));
  await sink.finish();
  return images.map(({ source, root }) => ({ source: source.name, digest: root.manifest.digest }));
}

interface Transfer {
  sink: CopySink;
  queue: MessageQueue<ImageProgress>;
  signal: AbortSignal;
}

/** Some at once, in their order. Ends when all that began have ended; the first failure keeps others from beginning. */
async function transferAll(
  work: readonly { blob: ContentDescriptor; source: CopySource }[],
  { sink, queue, signal }: Transfer,
): Promise<void> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const waiting = work.values();
  let failure: unknown;
  const worker = async (): Promise<void> => {
    for (const { blob, source } of waiting) {
      both.throwIfAborted();
      await transfer(blob, source, { sink, queue, signal: both });
    }
  };
  const stopping = (error: unknown): void => {
    failure ??= error;
    stop.abort();
  };
  await Promise.all(Array.from({ length: sink.atOnce }, () => worker().catch(stopping)));
  if (failure !== undefined) throw failure;
}

async function transfer(blob: ContentDescriptor, source: CopySource, { sink, queue, signal }: Transfer): Promise<void> {
  const id = shortId(blob.digest);
  const there = await sink.already(blob, source);
  if (there !== undefined) return queue.push({ id, status: there, progressDetail: {} });
  let said = 0;
  const told = (current: number): void => {
    if (current - said < PROGRESS_STEP && current !== blob.size) return;
    said = current;
    queue.push({ id, status: "Copying", progressDetail: { current, total: blob.size } }, id);
  };
  const onWait = (seconds: number): void =>
    queue.push({ id, status: `Retrying in ${seconds} second${seconds === 1 ? "" : "s"}`, progressDetail: {} }, id);
  const bytes = new VerifiedBlob(blob, { open: (from) => source.blob(blob, { from, signal, onWait }), told, signal });
  // Why the bytes ended says more than what the sink makes of their early end.
  let broken: unknown;
  const open = async function* (from?: number): AsyncGenerator<Uint8Array> {
    broken = undefined;
    try {
      yield* bytes.from(from);
    } catch (error) {
      broken = error;
      throw error;
    }
  };
  try {
    await sink.write(blob, open, { onWait });
  } catch (error) {
    throw broken ?? error;
  }
  // A sink that took an early end for the whole would have committed it.
  if (broken !== undefined) throw broken;
  queue.push({ id, status: "Copied", progressDetail: {} });
}

function foreignWords({ urls = [] }: ContentDescriptor): string {
  const [url = ""] = urls;
  return `Foreign layer, not copied: it stays at ${JSON.stringify(url.slice(0, MOST_SHOWN)).slice(1, -1)}`;
}
