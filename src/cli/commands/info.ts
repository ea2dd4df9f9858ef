import type { SystemInfo } from "../../spec/engine-api.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { errorLine } from "../each.ts";
import { infoText } from "../format/info.ts";
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
  const client = { Version: ctx.version, Context: "default", Debug: false };
  if (format === "") {
    const head = `Client:\n Version:    ${ctx.version}\n Context:    default\n Debug Mode: false\n`;
    ctx.io.out(info ? `${head}\nServer:\n${infoText(info)}\n` : `${head}\n`);
    return;
  }
  const { goStruct } = await import("../template/go-values.ts");
  await printValue(ctx, format, goStruct("system.dockerInfo", { ...info, ClientInfo: client }));
}
