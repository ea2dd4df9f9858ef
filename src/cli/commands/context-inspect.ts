import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { currentName, fullContext, storeOf } from "../hosts/edit.ts";
import { TLS_FILES, type TlsFiles } from "../hosts/store.ts";
import { printInspected } from "../inspect-output.ts";

/** `berth context inspect`. */
export default command({
  usage: "[OPTIONS] [CONTEXT] [CONTEXT...]",
  summary: "Display detailed information on one or more contexts",
  args: [0, Number.POSITIVE_INFINITY],
  flags: { format: { kind: "string", short: "f", help: "'json', or a Go template" } },
  async run(ctx, { flags, args }) {
    const names = args.length > 0 ? args : [currentName(ctx)];
    return printInspected(ctx, names, { format: flags.format, fetch: (name) => inspected(ctx, name) });
  },
});

async function inspected(ctx: Context, name: string): Promise<object> {
  const { meta, tls } = await fullContext(ctx, name);
  const files = (Object.keys(TLS_FILES) as (keyof TlsFiles)[]).filter((key) => tls[key] !== undefined);
  const { meta: MetadataPath, tls: TLSPath } =
    name === "default" ? { meta: "<IN MEMORY>", tls: "<IN MEMORY>" } : storeOf(ctx).paths(name);
  return {
    Name: meta.Name,
    Metadata: meta.Metadata,
    Endpoints: meta.Endpoints,
    TLSMaterial: files.length > 0 ? { docker: files.map((key) => TLS_FILES[key]) } : {},
    Storage: { MetadataPath, TLSPath },
  };
}
