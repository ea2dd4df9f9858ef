import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { ManifestLists, noSuchManifest } from "../manifest/lists.ts";
import { parseName } from "../manifest/names.ts";

/** `berth manifest rm`: forgets lists that were put together here; the registry's stay. */
export default command({
  usage: "MANIFEST_LIST [MANIFEST_LIST...]",
  summary: "Delete one or more manifest lists from local storage",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {},
  async run(ctx, { args }) {
    const lists = new ManifestLists(ctx.config.dir);
    const missing: string[] = [];
    for (const name of args) {
      const list = parseName(name);
      if (lists.get(list)) lists.remove(list);
      else missing.push(noSuchManifest(list).message);
    }
    if (missing.length > 0) throw new ExitError(1, missing.join("\n"));
    return 0;
  },
});
