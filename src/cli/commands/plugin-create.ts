import { existsSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { goErrno } from "../../spec/go-errno.ts";
import { parseReference } from "../../spec/reference.ts";
import { packAll } from "../build/context.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit.ts";

/** `berth plugin create PLUGIN FOLDER`. */
export default command({
  usage: "[OPTIONS] PLUGIN PLUGIN-DATA-DIR",
  summary: "Create a plugin from a rootfs and configuration",
  since: 25,
  args: [2, Number.POSITIVE_INFINITY],
  flags: { compress: { kind: "bool", help: "Taken for compatibility; the engine is near" } },
  async run(ctx, { args: [name = "", folder = ""] }) {
    parseReference(name);
    checkFolder(folder);
    await ctx.engine.plugins.create(name, packAll(folder));
    ctx.io.out(`${name}\n`);
    return 0;
  },
});

/** The configuration and the root file system have to be there before anything is sent. */
function checkFolder(folder: string): void {
  try {
    lstatSync(folder);
  } catch (error) {
    throw new ExitError(1, `lstat ${folder}: ${goErrno(error)}`);
  }
  const config = join(folder, "config.json");
  if (!existsSync(config)) throw new ExitError(1, `open ${config}: no such file or directory`);
  const rootfs = join(folder, "rootfs");
  if (!existsSync(rootfs)) throw new ExitError(1, `stat ${rootfs}: no such file or directory`);
}
