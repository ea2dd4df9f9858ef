import { createHash } from "node:crypto";
import type { Digest } from "../spec/digest.ts";
import type { ChainId } from "./types.ts";

/** The identity of a layer on its parent (OCI image-spec, config.md, "Layer ChainID"): for the lowest layer its diff id. */
export function chainIdOf(parent: ChainId | undefined, diffId: Digest): ChainId {
  if (parent === undefined) return diffId;
  return `sha256:${createHash("sha256").update(`${parent} ${diffId}`).digest("hex")}`;
}
