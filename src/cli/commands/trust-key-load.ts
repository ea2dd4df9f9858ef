import { statSync } from "node:fs";
import { goErrno } from "../../spec/go-errno.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { noSigning } from "../notary.ts";

/** `berth trust key load`. */
export default command({
  usage: "[OPTIONS] KEYFILE",
  summary: "Load a private key file for signing",
  args: [1, 1],
  flags: { name: { kind: "string", help: "Name for the loaded key", fallback: "signer" } },
  async run(ctx, { args: [path = ""] }) {
    ctx.io.out(`Loading key from ${JSON.stringify(path)}...\n`);
    try {
      statSync(path);
    } catch (error) {
      throw new ExitError(1, `refusing to load key from ${path}: stat ${path}: ${goErrno(error)}`);
    }
    return noSigning();
  },
});
