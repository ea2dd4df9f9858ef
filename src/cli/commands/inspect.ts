import { isKind } from "../../spec/errors.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { ExitError } from "../exit.ts";
import { printInspected } from "../inspect-output.ts";

type Fetch = (ctx: Context, name: string, size: boolean) => Promise<unknown>;

/** In Docker's order: the first kind that has the name wins. */
const KINDS: Record<string, Fetch> = {
  container: (ctx, name, size) => ctx.engine.containers.inspect(name, { size }),
  image: (ctx, name) => ctx.engine.images.inspect(name),
  network: (ctx, name) => ctx.engine.networks.inspect(name),
  volume: (ctx, name) => ctx.engine.volumes.inspect(name),
  plugin: (ctx, name) => ctx.engine.plugins.inspect(name),
};

/** Kinds of a swarm's things; the engine says that there is none. */
const CLUSTER_KINDS = ["config", "node", "secret", "service", "task"];
const ALL_KINDS = [...Object.keys(KINDS), ...CLUSTER_KINDS].sort();
const ONE_OF = `must be one of "${ALL_KINDS.join('", "')}"`;

const clusterFetch =
  (kind: string): Fetch =>
  (ctx, name) =>
    ctx.engine.core.json({ method: "GET", path: `/${kind}s/${encodeURIComponent(name)}` });

/** `berth inspect`: containers, images, networks and volumes alike. */
export default command({
  usage: "[OPTIONS] NAME|ID [NAME|ID...]",
  summary: "Return low-level information on Berth objects",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    format: { kind: "string", short: "f", help: "'json', or a Go template for each object" },
    size: { kind: "bool", short: "s", help: "Show sizes on disk of containers" },
    type: { kind: "string", help: "Only objects of this type: container, image, network, volume, plugin" },
  },
  run(ctx, { flags, given, args }) {
    if (given.has("type") && flags.type === "") throw new ExitError(1, `type is empty: ${ONE_OF}`);
    const only = CLUSTER_KINDS.includes(flags.type) ? clusterFetch(flags.type) : KINDS[flags.type];
    if (flags.type !== "" && !only) throw new ExitError(1, `unknown type: "${flags.type}": ${ONE_OF}`);
    const fetch = (name: string): Promise<unknown> =>
      only ? only(ctx, name, flags.size) : firstOf(ctx, name, flags.size);
    return printInspected(ctx, args, { format: flags.format, fetch });
  },
});

async function firstOf(ctx: Context, name: string, size: boolean): Promise<unknown> {
  for (const fetch of Object.values(KINDS)) {
    try {
      return await fetch(ctx, name, size);
    } catch (error) {
      if (name.trim() === "") throw error;
      // A name that cannot be an image's is not an error: it may still be a volume's.
      if (!isKind(error, "not-found") && !isKind(error, "invalid-argument")) throw error;
    }
  }
  throw new Error(`Error: No such object: ${name}`);
}
