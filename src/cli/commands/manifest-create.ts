import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { fullName, ManifestLists } from "../manifest/lists.ts";
import { parseList, parseName } from "../manifest/names.ts";
import { fetchImage } from "../manifest/remote.ts";

/** `berth manifest create`: a list of images, kept with the configuration until it is pushed. */
export default command({
  usage: "MANIFEST_LIST MANIFEST [MANIFEST...]",
  summary: "Create a local manifest list for annotating and pushing to a registry",
  args: [2, Number.POSITIVE_INFINITY],
  flags: {
    amend: { kind: "bool", short: "a", help: "Add to a list that exists" },
    insecure: { kind: "bool", help: "Take any certificate, and plain HTTP" },
  },
  async run(ctx, { flags, args: [target = "", ...images] }) {
    const list = parseList(target);
    const lists = new ManifestLists(ctx.config.dir);
    if (lists.get(list) && !flags.amend) {
      throw new ExitError(1, "refusing to amend an existing manifest list with no --amend flag");
    }
    for (const image of images) {
      const ref = parseName(image);
      const member = lists.member(list, ref) ?? (await fetchImage(ctx, ref, { insecure: flags.insecure }));
      lists.save(list, ref, member);
    }
    ctx.io.out(`Created manifest list ${fullName(list)}\n`);
    return 0;
  },
});
