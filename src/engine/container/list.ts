import type { ListOptions } from "../../api/backend.ts";
import type { ContainerSummary } from "../../spec/engine-api.ts";
import { type Container, isRunning } from "../container.ts";
import type { EngineContext } from "../context.ts";
import { containerFilter, looksAtStopped } from "./filters.ts";
import { linkedNames } from "./links.ts";
import { mountPoints } from "./mounts.ts";
import { endpoints, listedPorts } from "./networks-view.ts";
import { sizesOf } from "./sizes.ts";
import { shownStatus, statusText } from "./status.ts";

const MS = 1000;

/** `GET /containers/json`, newest first. */
export async function listContainers(ctx: EngineContext, options: ListOptions): Promise<ContainerSummary[]> {
  const matches = containerFilter(ctx, options.filters);
  const stoppedToo = options.all || (options.limit ?? 0) > 0 || looksAtStopped(options.filters);
  const shown = ctx.containers
    .all()
    .filter((c) => (stoppedToo || isRunning(c) || c.record.state.status === "restarting") && matches(c));
  const limited = options.limit && options.limit > 0 ? shown.slice(0, options.limit) : shown;
  const links = linkedNames(ctx);
  return Promise.all(
    limited.map(async (container) => {
      const row = await summary(ctx, container, options.size);
      const more = links.get(container.record.id);
      return more ? { ...row, Names: [...(row.Names ?? []), ...more] } : row;
    }),
  );
}

async function summary(ctx: EngineContext, container: Container, size: boolean): Promise<ContainerSummary> {
  const { record } = container;
  return {
    Id: record.id,
    Names: [`/${record.name}`],
    Image: shownImage(ctx, container),
    ImageID: record.image,
    Command: commandText(record.argv),
    Created: Math.floor(record.created / MS),
    Ports: listedPorts(ctx, record),
    ...(size ? await sizesOf(ctx, record) : {}),
    Labels: record.config.Labels ?? {},
    State: shownStatus(container),
    Status: statusText(container),
    HostConfig: { NetworkMode: record.hostConfig.NetworkMode ?? "bridge" },
    NetworkSettings: { Networks: endpoints(ctx, record) },
    Mounts: mountPoints(record),
  };
}

/** The image as it was named, unless that name means another one by now: then its id. */
function shownImage(ctx: EngineContext, container: Container): string {
  const { imageName, image } = container.record;
  try {
    return ctx.images.resolve(imageName).id === image ? imageName : image;
  } catch {
    return image; // The name is gone, or has become ambiguous.
  }
}

/** The first word and its arguments, those with spaces in single quotes, as Docker shows them. */
function commandText(argv: readonly string[]): string {
  const [path = "", ...args] = argv;
  return [path, ...args.map((a) => (a.includes(" ") ? `'${a}'` : a))].join(" ");
}
