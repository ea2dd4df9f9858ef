import { familiarName, parseReference } from "../../spec/reference.ts";
import { command } from "../command.ts";
import { openInput } from "../files.ts";
import { showProgress } from "../progress.ts";

/** `berth import file|URL|- [REPOSITORY[:TAG]]`. */
export default command({
  usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
  summary: "Import the contents from a tarball to create a filesystem image",
  args: [1, Number.POSITIVE_INFINITY],
  flags: {
    change: { kind: "list", short: "c", help: "Apply a Dockerfile instruction to the image" },
    message: { kind: "string", short: "m", help: "Message of the image's one layer" },
    platform: { since: 32, kind: "string", help: "Platform of the image" },
  },
  async run(ctx, { flags, args: [source = "", target] }) {
    const ref = target === undefined ? undefined : parseReference(target);
    const isUrl = /^https?:\/\//.test(source);
    const query = {
      fromSrc: isUrl ? source : "-",
      repo: ref ? familiarName(ref) : undefined,
      tag: ref?.tag,
      message: flags.message || undefined,
      platform: flags.platform || undefined,
      changes: flags.change,
    };
    const body = isUrl ? {} : { body: openInput(ctx, source) };
    await showProgress(ctx, ctx.engine.images.create(query, body));
    return 0;
  },
});
