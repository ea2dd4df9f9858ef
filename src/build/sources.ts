import type { Image, ImageStore } from "../image/types.ts";
import type { ChainId, LayerStore } from "../layer/types.ts";
import { isKind } from "../spec/errors.ts";
import type { History } from "../spec/oci.ts";
import type { StageState } from "./state.ts";

/** What a step made in another build: its layer, where it made one, and when (milliseconds since 1970). */
export interface Known {
  chain?: ChainId;
  created: number;
}

/**
 * The images of `--cache-from`, as a cache: where an image's history begins with a state's, over the same layers, and goes on with the same step, that
 * step's layer is the image's next. Names of images that are not here are passed over, as Docker does.
 */
export class CacheSources {
  readonly #images: Image[];

  constructor(
    names: readonly string[],
    stores: { images: ImageStore },
    private readonly layers: LayerStore,
  ) {
    this.#images = names.flatMap((name) => resolved(stores.images, name));
  }

  /** What the step `text` (as history has it) after `state` made; `layered` where it makes a layer. */
  find(state: StageState, text: string, layered: boolean): Known | undefined {
    for (const { config, top } of this.#images) {
      const { history = [] } = config;
      const next = history[state.history.length];
      if (next?.created_by !== text || isLayered(next) !== layered || !beginsWith(history, state.history)) continue;
      const stack = top ? this.layers.chain(top).reverse() : [];
      const below = state.top ? this.layers.chain(state.top).length : 0;
      if (stack[below - 1]?.chainId !== state.top) continue;
      const chain = layered ? stack[below]?.chainId : undefined;
      const created = Date.parse(next.created ?? "") || 0;
      if (!layered || chain) return { created, ...(chain ? { chain } : {}) };
    }
    return undefined;
  }
}

function resolved(images: ImageStore, name: string): Image[] {
  try {
    return [images.resolve(name)];
  } catch (error) {
    if (isKind(error, "not-found") || isKind(error, "invalid-argument")) return [];
    throw error;
  }
}

function beginsWith(history: readonly History[], start: readonly History[]): boolean {
  return start.every(
    (entry, at) => entry.created_by === history[at]?.created_by && isLayered(entry) === isLayered(history[at]),
  );
}

function isLayered(entry: History | undefined): boolean {
  return entry?.empty_layer !== true;
}
