import { createWriteStream, renameSync, rmSync, statSync } from "node:fs";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { command } from "../command.ts";
import { ExitError } from "../exit.ts";

/** `berth export CONTAINER`: its files, without volumes, as a tar. */
export default command({
  usage: "[OPTIONS] CONTAINER",
  summary: "Export a container's filesystem as a tar archive",
  args: [1, 1],
  flags: { output: { kind: "string", short: "o", help: "Write to this file instead of standard output" } },
  async run(ctx, { flags, args: [id = ""] }) {
    const { output } = flags;
    if (output === "" && ctx.io.stdoutIsTerminal()) {
      throw new ExitError(1, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    }
    if (output !== "") checkFile(output);
    const tar = await ctx.engine.files.export(id);
    if (output === "") for await (const chunk of tar) ctx.io.out(chunk);
    else await writeFile(tar, output);
    return 0;
  },
});

function checkFile(path: string): void {
  const folder = posix.dirname(path);
  const fail = (why: string): never => {
    throw new ExitError(1, `failed to export container: ${why}`);
  };
  if (!statSync(folder, { throwIfNoEntry: false }))
    fail(`invalid output path: stat ${folder}: no such file or directory`);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) fail("cannot write to a directory");
}

/** The file has its name only when it is whole; devices and pipes are written to as they are. */
async function writeFile(tar: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const old = statSync(path, { throwIfNoEntry: false });
  if (old && !old.isFile()) return pipeline(Readable.from(tar), createWriteStream(path));
  const part = posix.join(posix.dirname(path), `.tmp-${posix.basename(path)}.${process.pid}`);
  try {
    await pipeline(Readable.from(tar), createWriteStream(part, { mode: 0o600 }));
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}
