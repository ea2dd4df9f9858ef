import type { ImageSummary } from "../spec/engine-api.ts";
import type { Catalog, StoredImage } from "./catalog.ts";
import { orNull, seconds } from "./docker-json.ts";
import { type ImageFilter, readFilters } from "./filters.ts";
import type { Filters, ImageUser } from "./types.ts";

/**
 * The images as `GET /images/json` lists them, newest first. Without `all` an untagged image that another was built from is left out. `Containers`
 * counts `users`, -1 where they are not given.
 */
export function listImages(
  catalog: Catalog,
  options: { all: boolean; filters: Filters; users?: ImageUser[] },
): ImageSummary[] {
  const filter = readFilters(catalog, options.filters);
  const images = catalog.all();
  const parents = new Set(images.map((image) => image.parent));
  return images
    .filter(filter.matches)
    .map((image) => ({ summary: summarise(image, filter, options.users), isParent: parents.has(image.id) }))
    .filter(({ summary, isParent }) => {
      const named = summary.RepoTags.length + summary.RepoDigests.length > 0;
      if (named) return !(filter.dangling && summary.RepoTags.length > 0);
      if (filter.dangling === false || filter.reference) return false;
      return !isParent || (options.all && !filter.dangling);
    })
    .map(({ summary }) => summary)
    .sort((a, b) => b.Created - a.Created);
}

function summarise(image: StoredImage, filter: ImageFilter, users?: ImageUser[]): ImageSummary {
  const wanted = filter.reference ?? (() => true);
  return {
    Containers: users ? users.filter((u) => u.image === image.id).length : -1,
    Created: seconds(image.config.created),
    Id: image.id,
    Labels: orNull(image.config.config?.Labels),
    ParentId: image.parent ?? "",
    RepoDigests: image.digests.filter(wanted),
    RepoTags: image.tags.filter(wanted),
    SharedSize: -1,
    Size: image.size,
  };
}
