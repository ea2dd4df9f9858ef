import { createHash } from "node:crypto";
import type { Digest } from "../spec/digest.ts";
import { packTree } from "./pack.ts";
import { type UnpackResult, unpackTar } from "./unpack.ts";

/** A layer's tree as it was unpacked: the digest of the whole tar stream, and the bytes of its regular files. */
export interface Unpacked {
  diffId: Digest;
  size: number;
}

/** Unpacks a layer's tar stream (uncompressed) into the folder `target`, in overlay's form, and digests the stream on the way. Errors as `unpackTar`. */
export async function unpackDigested(tar: AsyncIterable<Uint8Array>, target: string): Promise<Unpacked> {
  const hash = createHash("sha256");
  const passing = async function* (): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of tar) {
      hash.update(chunk);
      yield chunk;
    }
  };
  const { size }: UnpackResult = await unpackTar(passing(), target, { whiteouts: "overlay" });
  return { diffId: `sha256:${hash.digest("hex")}`, size };
}

/** The diff id and size that the tree of an overlay's upper folder has as a layer: of the tar that `packTree` makes of it. */
export async function digestTree(upper: string): Promise<Unpacked> {
  const hash = createHash("sha256");
  let size = 0;
  const onFile = (bytes: number): void => {
    size += bytes;
  };
  for await (const chunk of packTree(upper, { whiteouts: "overlay", onFile })) hash.update(chunk);
  return { diffId: `sha256:${hash.digest("hex")}`, size };
}
