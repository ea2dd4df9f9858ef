import { randomUUID } from "node:crypto";
import { setImmediate as others } from "node:timers/promises";
import { CONDEMNED } from "./keys.ts";
import type { Metadata } from "./types.ts";

/** One of the records that each say "it is there". */
export interface Generation {
  key: string;
  /** What comes behind the size: for a blob the id of its data. */
  id: string;
  /** Of the content, in bytes. */
  size: number;
  /** Milliseconds since 1970. */
  modified: number;
  /** When GC condemned it; nobody may rely on it since. */
  condemned?: number;
}

const GENERATION = /\/(\d+)-([0-9a-f-]+)$/;

/** The last part of a new record's key. */
export function generationName(size: number, id: string = randomUUID()): string {
  return `${size}-${id}`;
}

/** All records below `prefix` (one digest's, or many), condemned ones too, in the order of their keys. `strays` gets the marks of what has gone. */
export async function generationsOf(metadata: Metadata, prefix: string, strays: string[] = []): Promise<Generation[]> {
  const found = new Map<string, Generation>();
  for await (const { key, modified } of allEntries(metadata, prefix)) {
    if (key.endsWith(CONDEMNED)) {
      const condemned = found.get(key.slice(0, -CONDEMNED.length));
      if (condemned) condemned.condemned = modified;
      else strays.push(key);
      continue;
    }
    const [, size, id] = GENERATION.exec(key) ?? [];
    if (size && id) found.set(key, { key, id, size: Number(size), modified });
  }
  return [...found.values()];
}

/** The first that may be relied on. */
export function live(generations: readonly Generation[]): Generation | undefined {
  return generations.find((g) => g.condemned === undefined);
}

/** The first segments behind `root` (`presences/`), each once: the repositories, encoded, that have any such record. */
export async function* segmentsOf(metadata: Metadata, root: string): AsyncGenerator<string> {
  for (let after = ""; ; ) {
    const [next] = await metadata.list(root, { after, limit: 1 });
    if (!next) return;
    const segment = next.key.slice(root.length).split("/")[0] ?? "";
    yield segment;
    after = `${root}${segment}/\u{10ffff}`;
  }
}

/** So long a walk over many records may keep others waiting, in milliseconds. */
const ALONE_MS = 10;

/** To be called at each step of a long walk: now and then it lets others go first, as a storage that answers at once would keep them waiting. */
export function breathing(): () => Promise<void> {
  let begun = performance.now();
  return async () => {
    if (performance.now() - begun < ALONE_MS) return;
    await others();
    begun = performance.now();
  };
}

/** Every record below a prefix, page by page; with `begin` those behind that key. */
export async function* allEntries(
  metadata: Metadata,
  prefix: string,
  begin = "",
): AsyncGenerator<{ key: string; modified: number }> {
  const breathe = breathing();
  for (let after = begin; ; ) {
    const page = await metadata.list(prefix, after === "" ? {} : { after });
    yield* page;
    after = page.at(-1)?.key ?? "";
    if (page.length < 1000) return;
    await breathe();
  }
}
