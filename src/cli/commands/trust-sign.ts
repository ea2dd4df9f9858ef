import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { taggedReference, whyUnsigned } from "../notary.ts";

/** `berth trust sign`. */
export default command({
  usage: "IMAGE:TAG",
  summary: "Sign an image",
  args: [1, 1],
  flags: { local: { kind: "bool", help: "Sign a locally tagged image" } },
  async run(ctx, { args: [name = ""] }) {
    const { domain } = taggedReference(name);
    throw new ExitError(1, `Error: error contacting notary server: ${await whyUnsigned(ctx, domain)}`);
  },
});
