import type { Digest } from "../../spec/digest.ts";
import { hostPlatform } from "../../spec/platform.ts";
import { chooseMember, imagesOf } from "../choose.ts";
import { parseConfig } from "../config.ts";
import { isContainerImage } from "../content.ts";
import { sizeOf } from "./inspect.ts";
import { type ContentReader, type ParsedManifest, readManifest, readSmall } from "./resolve.ts";

const MAX_DEPTH = 8;

/** What a list of tags shows of one. `created` as the config has it; `size` in bytes, of the compressed layers. Of an index: those of the host's platform, or of its first image. */
export interface RemoteSummary {
  digest: Digest;
  mediaType: string;
  created?: string;
  size: number;
}

/** Describes what a tag stands for, artifacts too. */
export async function describeRemote(reader: ContentReader, target: string): Promise<RemoteSummary> {
  const top = await readManifest(reader, target, `manifest of ${target}`);
  const { digest, mediaType } = top.manifest;
  const { content } = await anyImage(reader, top);
  const size = sizeOf(content.layers);
  if (!content.config || !isContainerImage(content)) return { digest, mediaType, size };
  const { created } = parseConfig(await readSmall(reader, content.config, target), `config of ${target}`);
  return { digest, mediaType, size, ...(created ? { created } : {}) };
}

async function anyImage(reader: ContentReader, top: ParsedManifest): Promise<ParsedManifest> {
  let at = top;
  for (let depth = 0; at.content.kind === "index" && depth < MAX_DEPTH; depth++) {
    const { members } = at.content;
    const chosen = chooseMember(members, hostPlatform()) ?? imagesOf(members)[0];
    if (!chosen) break;
    at = await readManifest(reader, chosen.digest, `manifest ${chosen.digest}`);
  }
  return at;
}
