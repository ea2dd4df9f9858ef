import { familiarString, parseReference, withDefaultTag } from "../../spec/reference.ts";
import { command } from "../command.ts";
import { registryAuth } from "../credentials/credentials.ts";
import { showProgress } from "../progress.ts";

/** `berth plugin push`. */
export default command({
  usage: "[OPTIONS] PLUGIN[:TAG]",
  summary: "Push a plugin to a registry",
  since: 25,
  args: [1, 1],
  flags: { "disable-content-trust": { kind: "bool", help: "Taken for compatibility", fallback: true } },
  async run(ctx, { args: [name = ""] }) {
    const ref = withDefaultTag(parseReference(name));
    const auth = await registryAuth(ctx, ref.domain);
    await showProgress(ctx, ctx.engine.plugins.push(familiarString(ref), auth), {});
    return 0;
  },
});
