import type { Digest } from "../spec/digest.ts";
import type { ImageRunConfig } from "../spec/oci.ts";
import { hostPlatform, parsePlatform } from "../spec/platform.ts";
import type { Catalog } from "./catalog.ts";
import { createImage } from "./create.ts";
import { Intake } from "./intake.ts";
import { parseNewName } from "./tag.ts";

/** What the new image says of itself. */
export interface ImportOptions {
  reference?: string;
  message?: string;
  run: ImageRunConfig;
  platform?: string;
}

/** A root file system's tar → a new image of one layer. Gzip and zstd stay as they came, for a later push. A failure leaves the store as it was. */
export async function importImage(
  catalog: Catalog,
  tar: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<Digest> {
  if (options.reference !== undefined) parseNewName(options.reference);
  const platform = options.platform ? parsePlatform(options.platform) : hostPlatform();
  const { blobs, layers } = catalog.deps;
  await using intake = new Intake(catalog);
  const blob = await intake.layerBlob(await intake.stream(tar));
  const layer = await layers.applyFile(blobs.path(blob.digest), {
    blob: blob.digest,
    hold: (chain) => intake.expectChain(chain),
  });
  const created = new Date().toISOString();
  const image = await createImage(
    catalog,
    {
      top: layer.chainId,
      run: options.run,
      history: [{ created, comment: options.message || "Imported from -" }],
      created,
      platform,
    },
    options.reference,
  );
  return image.id;
}
