import { BerthError, messageOf } from "../../spec/errors.ts";
import { familiarName, parseReference, type Reference } from "../../spec/reference.ts";
import { command } from "../command.ts";

/** `berth tag`. */
export default command({
  usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  summary: "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
  args: [2, 2],
  flags: {},
  async run(ctx, { args: [source = "", target = ""] }) {
    reference(source);
    const ref = reference(target);
    if (ref.digest) throw new BerthError("invalid-argument", "refusing to create a tag with a digest reference");
    await ctx.engine.images.tag(source, { repo: familiarName(ref), tag: ref.tag ?? "latest" });
    return 0;
  },
});

function reference(target: string): Reference {
  try {
    return parseReference(target);
  } catch (error) {
    const why = `Error parsing reference: ${JSON.stringify(target)} is not a valid repository/tag: ${messageOf(error)}`;
    throw new BerthError("invalid-argument", why);
  }
}
