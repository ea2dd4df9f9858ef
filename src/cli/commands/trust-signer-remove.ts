import { parseReference } from "../../spec/reference.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { whyUnsigned } from "../notary.ts";

/** `berth trust signer remove`. */
export default command({
  usage: "[OPTIONS] NAME REPOSITORY [REPOSITORY...]",
  summary: "Remove a signer",
  args: [2, Number.POSITIVE_INFINITY],
  flags: { force: { kind: "bool", short: "f", help: "Do not ask before the most recent signer is removed" } },
  async run(ctx, { args: [name = "", ...repositories] }) {
    for (const repository of repositories) {
      ctx.io.out(`Removing signer "${name}" from ${repository}...\n`);
      const why = await whyUnsigned(ctx, parseReference(repository).domain);
      ctx.io.err(`error retrieving signers for ${repository}: ${why}\n\n`);
    }
    throw new ExitError(1, `error removing signer from: ${repositories.join(", ")}`);
  },
});
