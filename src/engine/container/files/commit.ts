import { existsSync } from "node:fs";
import type { CommitOptions } from "../../../api/backend.ts";
import { applyChanges } from "../../../build/changes.ts";
import type { ChainId, LayerRecord } from "../../../layer/types.ts";
import type { ContainerConfig } from "../../../spec/engine-api.ts";
import { BerthError, fromErrno } from "../../../spec/errors.ts";
import type { ImageRunConfig } from "../../../spec/oci.ts";
import { familiarString, parseReference, withDefaultTag } from "../../../spec/reference.ts";
import type { Container } from "../../container.ts";
import { containerDir, type EngineContext } from "../../context.ts";
import { emitContainer } from "../../events.ts";
import { inUse } from "../../image/prune.ts";
import { emitImage } from "../../image/users.ts";
import { mergeConfig } from "../config.ts";
import { whileFrozen } from "./freeze.ts";

/** The digest of an archive without entries. */
const EMPTY_DIFF = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/**
 * Makes an image of what a container has written, on top of its own image. The layer is copied by a worker, so the container goes on with its own; its lock is
 * free meanwhile. Image and name are recorded in one transaction. A kill before it leaves the container as it is, and at most a layer without an image, which
 * the next start-up removes.
 */
export async function commitContainer(
  ctx: EngineContext,
  reference: string,
  options: CommitOptions,
): Promise<{ Id: string }> {
  const container = ctx.containers.find(reference);
  const name = nameOf(options);
  const run = runConfig(container.record.config, options);
  const work = async (): Promise<string> => {
    const id = await committed(ctx, container, { ...options, run, ...(name ? { name } : {}) });
    emitImage(ctx, "create", { id, name: id });
    if (name) emitImage(ctx, "tag", { id, name });
    const { comment = "" } = options;
    emitContainer(ctx.events, container, "commit", { comment, imageID: id, imageRef: name ?? "" });
    return id;
  };
  const id = await (options.pause ? whileFrozen(ctx, container, work) : work());
  // What a container has written may be nowhere else. It goes on meanwhile.
  await ctx.images.settle();
  return { Id: id };
}

async function committed(
  ctx: EngineContext,
  container: Container,
  options: CommitOptions & { run: ImageRunConfig; name?: string },
): Promise<string> {
  const { record } = container;
  const held: ChainId[] = [];
  await using undo = new AsyncDisposableStack();
  // After the lease: what no image came to need.
  undo.defer(() => ctx.images.release(held, inUse(ctx)));
  const lease = undo.use(ctx.leases.acquire());
  const hold = (chain: ChainId): void => {
    lease.add(chain);
    held.push(chain);
  };
  if (record.top) lease.add(record.top);
  const base = ctx.images.get(record.image);
  const layer = await copiedLayer(ctx, container, hold);
  // Docker keeps no layer of a container that has changed nothing.
  const top = layer.diffId === EMPTY_DIFF && record.top ? record.top : layer.chainId;
  const { author, comment } = options;
  const created = new Date().toISOString();
  const image = await ctx.images.create(
    {
      ...(base ? { parent: base.id } : {}),
      top,
      run: options.run,
      history: [
        ...(base?.config.history ?? []),
        {
          created,
          created_by: (record.config.Cmd ?? []).join(" "),
          ...(author ? { author } : {}),
          ...(comment ? { comment } : {}),
          ...(top === layer.chainId ? {} : { empty_layer: true }),
        },
      ],
      created,
      ...(author ? { author } : {}),
      ...(base ? { platform: platformOf(base.config) } : {}),
    },
    options.name,
  );
  return image.id;
}

/** What the container has written, as a layer. Throws `conflict` where the container was removed meanwhile: its folder went while it was read. */
async function copiedLayer(
  ctx: EngineContext,
  container: Container,
  hold: (chain: ChainId) => void,
): Promise<LayerRecord> {
  const { id, top } = container.record;
  const folder = containerDir(ctx, id);
  // A removal moves it away before it deletes anything.
  const isThere = (): boolean => existsSync(folder);
  const layer = await ctx.layers
    .commit(`${folder}/upper`, { ...(top ? { parent: top } : {}), hold, move: false })
    .catch((error: unknown) => {
      throw isThere() ? fromErrno(error, `committing container ${id}`) : removedMeanwhile(id);
    });
  if (!isThere()) throw removedMeanwhile(id);
  return layer;
}

function removedMeanwhile(id: string): BerthError {
  return new BerthError("conflict", `container ${id} was removed while it was committed`);
}

function platformOf(config: { os: string; architecture: string; variant?: string }): {
  os: string;
  architecture: string;
  variant?: string;
} {
  const { os, architecture, variant } = config;
  return { os, architecture, ...(variant ? { variant } : {}) };
}

function nameOf({ repo, tag }: CommitOptions): string | undefined {
  if (!repo) return undefined;
  const reference = parseReference(repo);
  if (reference.digest || reference.tag) throw new BerthError("invalid-argument", "invalid reference format");
  if (tag && !/^\w[\w.-]{0,127}$/.test(tag)) throw new BerthError("invalid-argument", "invalid tag format");
  return familiarString(withDefaultTag(parseReference(tag ? `${repo}:${tag}` : repo)));
}

/** The client's configuration, or the container's, with the changes, over the container's by the rules of a create. */
function runConfig(own: ContainerConfig, { config, changes }: CommitOptions): ImageRunConfig {
  const changed = applyChanges((config ?? own) as ImageRunConfig, changes);
  const merged = mergeConfig(changed as ContainerConfig, own as ImageRunConfig);
  return { ...(merged as ImageRunConfig), ...(changed.OnBuild ? { OnBuild: changed.OnBuild } : {}) };
}
