import type { ImageBackend, Progress } from "../../api/backend.ts";
import { familiarString, parseReference, withDefaultTag } from "../../spec/reference.ts";
import type { EngineContext } from "../context.ts";
import { bootstrapImage } from "./bootstrap/bootstrap.ts";
import { importImage } from "./import.ts";
import { inUse, pruneImages } from "./prune.ts";
import { pullImages } from "./pull.ts";
import { pushImage } from "./push.ts";
import { emitImage, imageUsers } from "./users.ts";

/** Router `image` over the image store: what it adds are the containers that use an image, and events. */
export function imageBackend(ctx: EngineContext): ImageBackend {
  const { images } = ctx;
  return {
    list: async (options) => images.list({ ...options, users: imageUsers(ctx) }),
    inspect: async (name, { platform, manifests } = {}) =>
      images.inspect(name, {
        ...(platform ? { platform } : {}),
        ...(manifests ? { users: imageUsers(ctx) } : {}),
      }),
    history: async (name, options) => images.history(name, options),
    tag: async (name, repo, tag) => {
      const target = tag ? `${repo}:${tag}` : repo;
      images.tag(name, target);
      emitImage(ctx, "tag", {
        id: images.resolve(name).id,
        name: familiarString(withDefaultTag(parseReference(target))),
      });
    },
    remove: (name, options) => removeImage(ctx, name, options),
    load: (archive, options) => loadImages(ctx, archive, options),
    save: (names, options) =>
      images.save(names, { ...options, saved: (id) => emitImage(ctx, "save", { id, name: id }) }),
    import: (source, options) => importImage(ctx, source, options),
    pull: (name, options) => pullImages(ctx, name, options),
    push: (name, options) => pushImage(ctx, name, options),
    prune: (filters) => pruneImages(ctx, filters),
    bootstrap: (reference, options) => bootstrapImage(ctx, reference, options),
  };
}

async function removeImage(
  ctx: EngineContext,
  name: string,
  { noprune, ...options }: { force: boolean; noprune: boolean; platform?: string },
): Promise<({ Untagged: string } | { Deleted: string })[]> {
  const { id, config } = ctx.images.resolve(name);
  const labels = config.config?.Labels;
  const { items, layers } = await ctx.images.remove(name, {
    ...options,
    prune: !noprune,
    users: imageUsers(ctx),
    keep: inUse(ctx),
  });
  for (const item of items) {
    if ("Untagged" in item) ctx.events.emit("image", "untag", { id, attributes: { ...labels, name: id } });
    else ctx.events.emit("image", "delete", { id: item.Deleted, attributes: { name: item.Deleted } });
  }
  return [...items, ...layers.map((Deleted) => ({ Deleted }))];
}

async function* loadImages(
  ctx: EngineContext,
  archive: AsyncIterable<Uint8Array>,
  options: { quiet: boolean; platform?: string },
): AsyncGenerator<Progress> {
  for await (const message of ctx.images.load(archive, options)) {
    const name = /^Loaded image(?: ID)?: (.+)\n?$/.exec(message.stream ?? "")?.[1];
    if (name) emitImage(ctx, "load", { id: ctx.images.resolve(name).id, name });
    yield { ...message };
  }
}
