import { command } from "../command.ts";
import { writeOutput } from "../files.ts";

/** `berth volume export VOLUME`: its content as a tar. */
export default command({
  usage: "[OPTIONS] VOLUME",
  summary: "Export a volume's content as a tar archive (Berth only)",
  args: [1, 1],
  flags: { output: { kind: "string", short: "o", help: "Write to this file instead of standard output" } },
  async run(ctx, { flags, args: [name = ""] }) {
    const to = { path: flags.output, task: "export volume" };
    await writeOutput(ctx, to, () => ctx.engine.volumes.export(name));
    return 0;
  },
});
