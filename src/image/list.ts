import type { ImageSummary } from "../spec/engine-api.ts";
import type { Catalog, StoredImage } from "./catalog.ts";
import { orNull, seconds } from "./docker-json.ts";
import { type ImageFilter, readFilters } from "./filters.ts";
import { descriptorOf, manifestSummaries } from "./manifests.ts";
import { sharedSizes } from "./shared.ts";
import type { ImageUser, ListOptions } from "./types.ts";

/** What Docker writes for a number that nobody has counted. */
const UNKNOWN = -1;

/**
 * The images as `GET /images/json` lists them, newest first. Without `all` an untagged image that another was built from is left out. `Containers`
 * counts `users`, -1 where they are not given; `SharedSize` is -1 unless it was asked for, then it counts what the listed images share.
 */
export function listImages(catalog: Catalog, options: ListOptions): ImageSummary[] {
  const filter = readFilters(catalog, options.filters);
  const images = catalog.all();
  const parents = new Set(images.map((image) => image.parent));
  const listed = images
    .filter(filter.matches)
    .map((image) => ({ image, summary: summarise(image, filter, options.users), isParent: parents.has(image.id) }))
    .filter(({ summary, isParent }) => {
      const named = summary.RepoTags.length + summary.RepoDigests.length > 0;
      if (named) return !(filter.dangling && summary.RepoTags.length > 0);
      if (filter.dangling === false || filter.reference) return false;
      return !isParent || (options.all && !filter.dangling);
    })
    .sort((a, b) => b.summary.Created - a.summary.Created);
  const own = listed.map(({ image }) => image);
  const shared = options.sharedSize ? sharedSizes(catalog, own) : undefined;
  return listed.map(({ image, summary }) => ({
    ...summary,
    SharedSize: shared?.get(image.id) ?? UNKNOWN,
    ...manifestsOf(catalog, image, options),
  }));
}

function manifestsOf(catalog: Catalog, image: StoredImage, options: ListOptions): Partial<ImageSummary> {
  const descriptor = descriptorOf(catalog, image);
  const manifests = options.manifests ? manifestSummaries(catalog, image, options.users) : undefined;
  return { ...(manifests ? { Manifests: manifests } : {}), ...(descriptor ? { Descriptor: descriptor } : {}) };
}

function summarise(image: StoredImage, filter: ImageFilter, users?: ImageUser[]): ImageSummary {
  const wanted = filter.reference ?? (() => true);
  return {
    Containers: users ? users.filter((u) => u.image === image.id).length : UNKNOWN,
    Created: seconds(image.config.created),
    Id: image.id,
    Labels: orNull(image.config.config?.Labels),
    ParentId: image.parent ?? "",
    RepoDigests: image.digests.filter(wanted),
    RepoTags: image.tags.filter(wanted),
    SharedSize: UNKNOWN,
    Size: image.size,
  };
}
