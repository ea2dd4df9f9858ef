import type { ChainId, LayerRecord } from "../layer/types.ts";
import type { Digest } from "../spec/digest.ts";
import type { Catalog, StoredImage } from "./catalog.ts";

/** For each of these images the bytes of those of its layers that another of them has too. */
export function sharedSizes(catalog: Catalog, images: readonly StoredImage[]): Map<Digest, number> {
  const stacks = images.map(({ id, top }) => ({ id, stack: top ? catalog.deps.layers.chain(top) : [] }));
  const uses = new Map<ChainId, number>();
  for (const { chainId } of stacks.flatMap(({ stack }) => stack)) uses.set(chainId, (uses.get(chainId) ?? 0) + 1);
  const shared = ({ chainId }: LayerRecord): boolean => (uses.get(chainId) ?? 0) > 1;
  return new Map(stacks.map(({ id, stack }) => [id, stack.filter(shared).reduce((sum, layer) => sum + layer.size, 0)]));
}
