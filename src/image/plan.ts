import type { Digest } from "../spec/digest.ts";
import type { Reference } from "../spec/reference.ts";
import type { BlobInfo } from "../store/types.ts";
import type { LayerBlob } from "./intake.ts";

/** One image as an archive describes it: all its parts are blobs already, nothing is unpacked or recorded. */
export interface ImagePlan {
  config: BlobInfo;
  /** First to last. */
  layers: LayerBlob[];
  /** The manifest that the archive has for exactly these parts; undefined: one is to be written. */
  manifest?: Digest;
  names: Reference[];
}
