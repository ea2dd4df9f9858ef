import { readFileSync } from "node:fs";
import { goErrno } from "../../spec/go-errno.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { noSigning } from "../notary.ts";

/** `berth trust signer add`. */
export default command({
  usage: "OPTIONS NAME REPOSITORY [REPOSITORY...] ",
  summary: "Add a signer",
  args: [2, Number.POSITIVE_INFINITY],
  flags: { key: { kind: "list", help: "File with the signer's public key" } },
  async run(_ctx, { flags }) {
    if (flags.key.length === 0) {
      throw new ExitError(1, "path to a public key must be provided using the `--key` flag");
    }
    for (const path of flags.key) {
      try {
        readFileSync(path);
      } catch (error) {
        throw new ExitError(1, `unable to read public key from file: open ${path}: ${goErrno(error)}`);
      }
    }
    return noSigning();
  },
});
