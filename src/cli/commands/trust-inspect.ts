import { parseReference } from "../../spec/reference.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { printInspected } from "../inspect-output.ts";

/** `berth trust inspect`: no image is signed here. */
export default command({
  usage: "IMAGE[:TAG] [IMAGE[:TAG]...]",
  summary: "Return low-level information about keys and signatures",
  args: [1, Number.POSITIVE_INFINITY],
  flags: { pretty: { kind: "bool", help: "Print the information in a human friendly format" } },
  async run(ctx, { flags, args }) {
    const fetch = async (name: string): Promise<never> => {
      parseReference(name);
      throw new ExitError(1, `no signatures or cannot access ${name}`);
    };
    if (!flags.pretty) return printInspected(ctx, args, { format: "", fetch });
    for (const name of args) await fetch(name);
    return 0;
  },
});
