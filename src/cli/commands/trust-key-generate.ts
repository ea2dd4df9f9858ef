import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { noSigning } from "../notary.ts";

/** `berth trust key generate`. */
export default command({
  usage: "NAME",
  summary: "Generate and load a signing key-pair",
  args: [1, 1],
  flags: { dir: { kind: "string", help: "Folder of the public key, the current one without it" } },
  async run(_ctx, { args: [name = ""] }) {
    if (/^[a-z0-9][a-z0-9_-]*$/.test(name)) return noSigning();
    const rule =
      'must start with lowercase alphanumeric characters and can include "-" or "_" after the first character';
    throw new ExitError(1, `key name ${JSON.stringify(name)} ${rule}`);
  },
});
