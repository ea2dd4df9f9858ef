import { command } from "../command.ts";
import { completionScript } from "../complete/scripts.ts";

/** `berth completion zsh`. */
export default command({
  usage: "",
  summary: "Generate the autocompletion script for zsh",
  args: [0, 0],
  flags: { "no-descriptions": { kind: "bool", help: "Taken for compatibility" } },
  async run(ctx) {
    ctx.io.out(completionScript("zsh"));
    return 0;
  },
});
