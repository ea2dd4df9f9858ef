import type { Digest } from "../spec/digest.ts";
import type { ImageHistoryResponseItem } from "../spec/engine-api.ts";
import type { Catalog, StoredImage } from "./catalog.ts";
import { orNull, seconds } from "./docker-json.ts";
import { refusePlatform } from "./platform.ts";
import { resolveImage } from "./resolve.ts";

/** What Docker shows for a step that is no image here. */
const MISSING = "<missing>";

/** The image's steps, newest first, as `GET /images/{name}/history` has them. A parent that is in the store gives its step its id and tags. */
export function imageHistory(
  catalog: Catalog,
  name: string,
  options: { platform?: string } = {},
): ImageHistoryResponseItem[] {
  const image = resolveImage(catalog, name);
  refusePlatform(image, name, options.platform);
  const steps = image.config.history ?? [];
  const owners = ownersOf(catalog, image);
  const sizes = layerSizes(catalog, image);
  let layer = 0;
  return steps
    .map((step, i) => {
      const owner = owners.get(i);
      return {
        Id: owner?.id ?? MISSING,
        Created: seconds(step.created),
        CreatedBy: step.created_by ?? "",
        Tags: orNull(owner && owner.tags.length > 0 ? owner.tags : undefined),
        Size: step.empty_layer ? 0 : (sizes[layer++] ?? 0),
        Comment: step.comment ?? "",
      };
    })
    .reverse();
}

/** Which image ends with which step: the image itself with the last, each ancestor with the last of its own. */
function ownersOf(catalog: Catalog, image: StoredImage): Map<number, StoredImage> {
  const owners = new Map<number, StoredImage>();
  const seen = new Set<Digest>();
  for (let at: StoredImage | undefined = image; at && !seen.has(at.id); at = at.parent && catalog.get(at.parent)) {
    seen.add(at.id);
    const last = (at.config.history?.length ?? 0) - 1;
    if (!owners.has(last)) owners.set(last, at);
  }
  return owners;
}

function layerSizes(catalog: Catalog, image: StoredImage): number[] {
  if (!image.top) return [];
  return catalog.deps.layers
    .chain(image.top)
    .map((layer) => layer.size)
    .reverse();
}
