import type { SystemInfo } from "../../spec/engine-api.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { errorLine } from "../each.ts";
import { infoText } from "../format/info.ts";
import { currentName } from "../hosts/edit.ts";
import { allPlugins, type Plugin } from "../hosts/plugins.ts";
import { printValue } from "../inspect-output.ts";

/** `berth info`. */
export default command({
  usage: "[OPTIONS]",
  summary: "Display system-wide information",
  args: [0, 0],
  flags: { format: { kind: "string", short: "f", help: "'json', or a Go template" } },
  async run(ctx, { flags }) {
    let info: SystemInfo | undefined;
    let failure: unknown;
    try {
      info = await ctx.engine.system.info();
    } catch (error) {
      failure = error;
    }
    await print(ctx, info, flags.format);
    for (const warning of info?.Warnings ?? []) if (flags.format === "") ctx.io.err(`${warning}\n`);
    if (failure === undefined) return 0;
    ctx.io.err(`${errorLine(failure)}\n`);
    return 1;
  },
});

async function print(ctx: Context, info: SystemInfo | undefined, format: string): Promise<void> {
  const plugins = allPlugins(ctx.config);
  const context = currentName(ctx);
  if (format === "") {
    const head = `Client:\n Version:    ${ctx.version}\n Context:    ${context}\n Debug Mode: ${ctx.globals.debug}\n`;
    const all = `${head}${pluginLines(plugins)}`;
    ctx.io.out(info ? `${all}\nServer:\n${infoText(info)}\n` : `${all}\n`);
    for (const { Path, Err } of plugins)
      if (Err) ctx.io.err(`WARNING: Plugin ${JSON.stringify(Path)} is not valid: ${Err}\n`);
    return;
  }
  const client = { Version: ctx.version, Context: context, Debug: ctx.globals.debug, Plugins: plugins };
  const { goStruct } = await import("../template/go-values.ts");
  await printValue(ctx, format, goStruct("system.dockerInfo", { ...info, ClientInfo: client }));
}

function pluginLines(plugins: readonly Plugin[]): string {
  const usable = plugins.filter(({ Err }) => Err === undefined);
  const lines = usable.map(
    ({ Name, ShortDescription = "", Vendor = "", Version = "", Path }) =>
      `  ${Name}: ${ShortDescription} (${Vendor})\n${Version ? `    Version:  ${Version}\n` : ""}    Path:     ${Path}\n`,
  );
  return lines.length === 0 ? "" : ` Plugins:\n${lines.join("")}`;
}
