import { parseReference } from "../../spec/reference.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { whyUnsigned } from "../notary.ts";
import { confirm } from "../prune.ts";

/** `berth trust revoke`. */
export default command({
  usage: "[OPTIONS] IMAGE[:TAG]",
  summary: "Remove trust for an image",
  args: [1, 1],
  flags: { yes: { kind: "bool", short: "y", help: "Do not ask" } },
  async run(ctx, { flags, args: [name = ""] }) {
    const ref = parseReference(name);
    const question = `Confirm you would like to delete all signature data for ${name}?`;
    if (!ref.tag && !(await confirm(ctx, "", flags.yes, question))) return 0;
    throw new ExitError(1, `could not remove signature for ${name}: ${await whyUnsigned(ctx, ref.domain)}`);
  },
});
