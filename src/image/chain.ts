import { createHash } from "node:crypto";
import type { ChainId } from "../layer/types.ts";
import type { Digest } from "../spec/digest.ts";

/** The chain ids of a stack, first to last (OCI image-spec, config.md, "Layer ChainID"). */
export function chainIds(diffIds: readonly Digest[]): ChainId[] {
  const chains: ChainId[] = [];
  for (const diffId of diffIds) {
    const below = chains.at(-1);
    chains.push(below ? `sha256:${createHash("sha256").update(`${below} ${diffId}`).digest("hex")}` : diffId);
  }
  return chains;
}
