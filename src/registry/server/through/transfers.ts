import type { Blobs } from "../blobs.ts";
import type { Body, ContentDigest, Storage } from "../types.ts";
import type { Uploads } from "../uploads.ts";

const STEP_MS = 50;

/** One blob on its way in. */
interface Transfer {
  id: string;
  repository: string;
  digest: ContentDigest;
  /** Settles with the blob's size when it is taken in, or is not to come. */
  done: Promise<number>;
  ended: boolean;
}

/** Blobs that are fetched from elsewhere: each once, however many ask for it, and each of them reads what has come so far. */
export class Transfers {
  readonly #transfers = new Map<string, Promise<Transfer>>();

  constructor(private readonly deps: { storage: Storage; uploads: Uploads; blobs: Blobs }) {}

  /** Begins to fetch the blob, or joins. `open` is called once. */
  join(repository: string, digest: ContentDigest, open: () => Promise<AsyncIterable<Uint8Array>>): Promise<Transfer> {
    const key = `${repository}@${digest}`;
    const known = this.#transfers.get(key);
    if (known) return known;
    const begun = this.#begin(repository, digest, open);
    this.#transfers.set(key, begun);
    const forget = (): void => void this.#transfers.delete(key);
    begun.then(({ done }) => done.then(forget, forget), forget);
    return begun;
  }

  /** The bytes as they come. Fails where the transfer does. */
  async *follow(transfer: Transfer): AsyncGenerator<Uint8Array> {
    const { data } = this.deps.storage;
    for (let at = 0; ; ) {
      // Asked first: what came before the end is read below.
      const { ended } = transfer;
      const size = (await data.size(transfer.id)) ?? 0;
      if (size > at) {
        yield* data.read(transfer.id, { start: at, end: size });
        at = size;
      } else if (ended) return yield* this.#rest(transfer, at);
      else await Promise.race([transfer.done.catch(() => undefined), new Promise((go) => setTimeout(go, STEP_MS))]);
    }
  }

  /** What had been here already, in another repository, is read there: these bytes were not kept twice. */
  async *#rest({ repository, digest, done }: Transfer, at: number): AsyncGenerator<Uint8Array> {
    const size = await done;
    const found = at < size ? await this.deps.blobs.find(repository, digest) : undefined;
    if (found) yield* this.deps.storage.data.read(found.data, { start: at, end: size });
    else if (at < size) throw new Error(`blob ${digest} has gone while it was sent`);
  }

  async #begin(
    repository: string,
    digest: ContentDigest,
    open: () => Promise<AsyncIterable<Uint8Array>>,
  ): Promise<Transfer> {
    const source = await open();
    const { uploads } = this.deps;
    const id = await uploads.begin(repository);
    const transfer: Transfer = { id, repository, digest, ended: false, done: Promise.resolve(0) };
    const work = uploads.commit(repository, id, { digest, source: bodyFrom(source) });
    transfer.done = work.then(
      (size) => {
        transfer.ended = true;
        return size;
      },
      async (error: unknown) => {
        transfer.ended = true;
        await uploads.cancel(repository, id).catch(() => undefined); // Gone with a wrong digest.
        throw error;
      },
    );
    transfer.done.catch(() => undefined); // Told to whoever follows.
    return transfer;
  }
}

function bodyFrom(source: AsyncIterable<Uint8Array>): Body {
  return { [Symbol.asyncIterator]: () => source[Symbol.asyncIterator](), cancel: () => undefined };
}
