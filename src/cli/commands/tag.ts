import { familiarName, parseReference } from "../../spec/reference.ts";
import { command } from "../command.ts";

/** `berth tag`. */
export default command({
  usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  summary: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
  args: [2, 2],
  flags: {},
  async run(ctx, { args: [source = "", target = ""] }) {
    const ref = parseReference(target);
    await ctx.engine.images.tag(source, { repo: familiarName(ref), tag: ref.tag ?? "latest" });
    return 0;
  },
});
