import type { ChainId } from "../layer/types.ts";
import { type Digest, shortId } from "../spec/digest.ts";
import { BerthError } from "../spec/errors.ts";
import { familiarString, type Reference, withDefaultTag } from "../spec/reference.ts";
import type { Catalog } from "./catalog.ts";
import { type Candidates, type Keep, sweep } from "./gc.ts";
import { refusePlatform } from "./platform.ts";
import { isIdOf, nameOf, resolveImage } from "./resolve.ts";
import type { ImageRecord, ImageUser, Removed, RemovedItem } from "./types.ts";

/** How to remove. `prune`: untagged parents go too. */
export interface RemoveOptions {
  force: boolean;
  prune: boolean;
  users: ImageUser[];
  platform?: string;
  /** What else needs content, such as the build cache. */
  keep?: Keep;
}

/** One removal under way: records change in one transaction, content goes after it. */
interface Removal {
  catalog: Catalog;
  options: RemoveOptions;
  items: RemovedItem[];
  freed: { chains: ChainId[]; blobs: Digest[] };
}

/**
 * Removes a name, and the image with the last of its names, as Docker does. Throws `conflict` in Docker's words and changes nothing then. A kill after the records have changed
 * leaves content for the next GC.
 */
export async function removeImage(catalog: Catalog, name: string, options: RemoveOptions): Promise<Removed> {
  const removal: Removal = { catalog, options, items: [], freed: { chains: [], blobs: [] } };
  catalog.deps.records.transaction(() => {
    const image = resolveImage(catalog, name);
    refusePlatform(image, name, options.platform);
    if (isIdOf(name, image.id)) removeById(removal, image.id);
    else removeByName(removal, image.id, name);
  });
  return { items: removal.items, layers: await free(removal) };
}

function removeById(removal: Removal, id: Digest): void {
  const { catalog, options } = removal;
  const names = catalog.names(id);
  if (isSingle(names)) {
    const conflict = conflictOf(removal, id, { soft: !options.force, names: false });
    if (conflict) throw conflict;
    for (const ref of names) untag(removal, ref);
  }
  deleteImage(removal, id, { force: options.force, quiet: false });
}

function removeByName(removal: Removal, id: Digest, name: string): void {
  const { catalog, options } = removal;
  const names = catalog.names(id);
  const user = options.users.find((u) => u.image === id);
  if (user && !options.force && isSingle(names)) {
    throw new BerthError(
      "conflict",
      `conflict: unable to remove repository reference "${name}" (must force) - container ${shortId(user.containerId)} is using its referenced image ${shortId(id)}`,
    );
  }
  const ref = withDefaultTag(nameOf(catalog, name, id));
  const wanted = familiarString(ref.digest ? { domain: ref.domain, path: ref.path, digest: ref.digest } : ref);
  for (const n of names) if (familiarString(n) === wanted) untag(removal, n);
  // Digests of a repository go with its last tag; a name elsewhere keeps the image.
  const own = catalog.names(id).filter((n) => n.domain === ref.domain && n.path === ref.path);
  if (!ref.digest && own.every((n) => n.digest)) for (const n of own) untag(removal, n);
  if (catalog.names(id).length === 0) deleteImage(removal, id, { force: options.force, quiet: true });
}

/** Deletes the image, then the untagged parents that nothing else needs. With `quiet` a conflict leaves the image as it is. */
function deleteImage(removal: Removal, id: Digest, how: { force: boolean; quiet: boolean }): void {
  const { catalog, options } = removal;
  const record = catalog.record(id);
  if (!record) return;
  const conflict = conflictOf(removal, id, { soft: !how.force, names: true });
  if (conflict && how.quiet) return;
  if (conflict) throw conflict;
  for (const ref of catalog.names(id)) untag(removal, ref);
  remember(removal, record);
  catalog.drop(record);
  removal.items.push({ Deleted: id });
  if (options.prune && record.parent) deleteImage(removal, record.parent, { force: false, quiet: true });
}

/** Why the image cannot go. Children and running containers are beyond force; names (where asked for) and stopped containers only count when `soft`. */
function conflictOf(removal: Removal, id: Digest, check: { soft: boolean; names: boolean }): BerthError | undefined {
  const { catalog, options } = removal;
  const users = options.users.filter((u) => u.image === id);
  const say = (how: string, why: string): BerthError =>
    new BerthError("conflict", `conflict: unable to delete ${shortId(id)} (${how}) - ${why}`);
  if (catalog.children(id).length > 0) return say("cannot be forced", "image has dependent child images");
  const running = users.find((u) => u.running);
  if (running) {
    return say("cannot be forced", `image is being used by running container ${shortId(running.containerId)}`);
  }
  if (!check.soft) return undefined;
  if (check.names && catalog.names(id).length > 0) {
    return say("must be forced", "image is referenced in multiple repositories");
  }
  const [user] = users;
  return user && say("must be forced", `image is being used by stopped container ${shortId(user.containerId)}`);
}

/** True where removing one name, by whatever name it is given, takes all: no two repositories, no two tags. */
function isSingle(names: Reference[]): boolean {
  const repositories = new Set(names.map((n) => `${n.domain}/${n.path}`));
  return repositories.size <= 1 && names.filter((n) => !n.digest).length <= 1;
}

function untag(removal: Removal, ref: Reference): void {
  removal.catalog.dropName(ref);
  removal.items.push({ Untagged: familiarString(ref) });
}

/** Notes what the image held, before its record goes. An image that cannot be read any more is removed all the same; GC finds its content. */
function remember({ catalog, freed }: Removal, record: ImageRecord): void {
  freed.blobs.push(record.id, record.manifest);
  const { chains, blobs } = contentOf(catalog, record.top);
  freed.chains.push(...chains);
  freed.blobs.push(...blobs);
  try {
    freed.blobs.push(...catalog.manifest(record).layers.map((layer) => layer.digest));
  } catch (error) {
    // Its manifest is lost: that is a reason to remove the image, and none to refuse.
    if (!(error instanceof BerthError)) throw error;
  }
}

/** The layers of a stack, and the blobs that they came from. */
function contentOf({ deps }: Catalog, top: ChainId | undefined): Removal["freed"] {
  const layers = top && deps.layers.get(top) ? deps.layers.chain(top) : [];
  return { chains: layers.map((layer) => layer.chainId), blobs: layers.flatMap((layer) => layer.blob ?? []) };
}

/** Frees what of these stacks nobody needs any more. A kill in the middle leaves the rest to the next GC. */
export async function releaseStacks(catalog: Catalog, tops: Iterable<ChainId>, keep: Keep): Promise<void> {
  const all = [...tops].map((top) => contentOf(catalog, top));
  await sweep(catalog, { chains: all.flatMap(({ chains }) => chains), blobs: all.flatMap(({ blobs }) => blobs) }, keep);
}

/** Frees what only the removed images held. Where the stack of a container is not known, all layers wait for GC, which is told. */
async function free({ catalog, options, freed }: Removal): Promise<ChainId[]> {
  const tops = options.users.map((user) => ({ user, top: user.top ?? catalog.record(user.image)?.top }));
  const known = tops.every(({ top, user }) => top !== undefined || catalog.record(user.image) !== undefined);
  const candidates: Candidates = known ? freed : { chains: [], blobs: freed.blobs };
  const keep: Keep = {
    get chains() {
      return [...tops.flatMap(({ top }) => top ?? []), ...(options.keep?.chains ?? [])];
    },
    blobs: options.keep?.blobs ?? [],
  };
  return (await sweep(catalog, candidates, keep)).chains;
}
