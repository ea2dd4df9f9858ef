import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { ExitError } from "../exit.ts";
import { printInspected } from "../inspect-output.ts";
import { parseName } from "../manifest/names.ts";
import { openRepository } from "../manifest/remote.ts";

/** `berth image inspect`; with `--remote` of images as their registries have them, without the engine. */
export default command({
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  summary: "Display detailed information on one or more images",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    format: { kind: "string", short: "f", help: "'json', or a Go template for each object" },
    insecure: { kind: "bool", help: "With --remote: take any certificate, and plain HTTP (Berth only)" },
    remote: { kind: "bool", help: "Ask the registry; nothing is pulled (Berth only)" },
    platform: { since: 49, kind: "string", help: "Inspect this platform of the image" },
  },
  run(ctx, { flags, args }) {
    const platform = flags.platform || undefined;
    if (flags.insecure && !flags.remote) throw new ExitError(1, "--insecure is for registries: use it with --remote");
    if (flags.remote) return inspectRemote(ctx, args, { ...flags, platform });
    return printInspected(ctx, args, {
      format: flags.format,
      fetch: (name) => ctx.engine.images.inspect(name, { platform }),
    });
  },
});

async function inspectRemote(
  ctx: Context,
  names: readonly string[],
  options: { format: string; insecure: boolean; platform: string | undefined },
): Promise<number> {
  const { format, insecure, platform } = options;
  const { inspectRemote: inspect } = await ctx.remote();
  return printInspected(ctx, names, {
    format,
    fetch: async (name) => {
      const ref = parseName(name);
      return inspect(await openRepository(ctx, ref, { insecure }), ref, { platform, name });
    },
  });
}
