import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { ManifestLists } from "../manifest/lists.ts";
import { parseList, parseName } from "../manifest/names.ts";
import { isPlatform } from "../manifest/platforms.ts";

/** `berth manifest annotate`: corrects the platform of an image in a list. */
export default command({
  usage: "[OPTIONS] MANIFEST_LIST MANIFEST",
  summary: "Add additional information to a local image manifest",
  args: [2, 2],
  flags: {
    arch: { kind: "string", help: "Set the architecture" },
    os: { kind: "string", help: "Set the operating system" },
    "os-features": { kind: "list", type: "strings", help: "Set features of the operating system" },
    "os-version": { kind: "string", help: "Set the operating system's version" },
    variant: { kind: "string", help: "Set the variant of the architecture" },
  },
  async run(ctx, { flags, args: [target = "", image = ""] }) {
    const list = parseList(target, "annotate: ");
    const ref = parseName(image, `annotate: error parsing name for manifest ${image}: `);
    const lists = new ManifestLists(ctx.config.dir);
    const member = lists.member(list, ref);
    if (!member) throw new ExitError(1, `manifest for image ${image} does not exist in ${target}`);
    const { platform } = member.Descriptor;
    const features = flags["os-features"].length > 0 ? flags["os-features"] : platform["os.features"];
    const version = flags["os-version"] || platform["os.version"];
    const variant = flags.variant || platform.variant;
    const next = {
      architecture: flags.arch || platform.architecture,
      os: flags.os || platform.os,
      ...(version ? { "os.version": version } : {}),
      ...(features ? { "os.features": features } : {}),
      ...(variant ? { variant } : {}),
    };
    if (!isPlatform(next.os, next.architecture)) {
      const words = `${flags.os}/${flags.arch}`;
      throw new ExitError(1, `manifest entry for image has unsupported os/arch combination: ${words}`);
    }
    lists.save(list, ref, { ...member, Descriptor: { ...member.Descriptor, platform: next } });
    return 0;
  },
});
