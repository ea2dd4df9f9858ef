import { parseReference, type Reference } from "../../spec/reference.ts";
import { command } from "../command.ts";
import { printLine, type RemoteRepository } from "../context.ts";
import { checkPlatforms, indexOf } from "../manifest/index-bytes.ts";
import { fullName, ManifestLists, type Member, noSuchManifest } from "../manifest/lists.ts";
import { parseName } from "../manifest/names.ts";
import { openRepository } from "../manifest/remote.ts";

/** `berth manifest push`: the list goes to its registry; images of other repositories there are taken over first. */
export default command({
  usage: "[OPTIONS] MANIFEST_LIST",
  summary: "Push a manifest list to a repository",
  args: [1, 1],
  flags: {
    insecure: { kind: "bool", help: "Take any certificate, and plain HTTP" },
    purge: { kind: "bool", short: "p", help: "Remove the local list afterwards" },
  },
  async run(ctx, { flags, args: [target = ""] }) {
    const list = parseName(target);
    const lists = new ManifestLists(ctx.config.dir);
    const members = lists.get(list);
    if (!members || members.length === 0) throw noSuchManifest(list);
    const index = indexOf(list, members);
    checkPlatforms(members);
    const repository = await openRepository(ctx, list, { insecure: flags.insecure, push: true });
    for (const member of members) {
      const taken = await takeOver(repository, list, member);
      if (taken) printLine(ctx, taken);
    }
    printLine(ctx, await repository.putManifest(list.tag ?? "latest", index));
    if (flags.purge) lists.remove(list);
    return 0;
  },
});

/** What the registry has in another repository is mounted, not sent. Returns the line that says so. */
async function takeOver(repository: RemoteRepository, list: Reference, member: Member): Promise<string | undefined> {
  const from = parseReference(member.Ref);
  if (from.path === list.path) return undefined;
  const manifest = member.OCIManifest ?? member.SchemaV2Manifest;
  const blobs = manifest ? [manifest.config, ...manifest.layers] : [];
  for (const { digest } of blobs) await repository.mountBlob(digest, from.path);
  const { mediaType, digest } = member.Descriptor;
  await repository.putManifest(digest, { mediaType, bytes: Buffer.from(member.Raw, "base64") });
  return `Pushed ref ${fullName({ domain: list.domain, path: list.path, digest })} with digest: ${digest}`;
}
