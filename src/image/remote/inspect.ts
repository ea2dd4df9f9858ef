import type { ImageInspect } from "../../spec/engine-api.ts";
import { familiarName, type Reference } from "../../spec/reference.ts";
import type { ContentDescriptor } from "../content.ts";
import { dockerConfig } from "../inspect.ts";
import { type ContentReader, readManifest, resolveContainer } from "./resolve.ts";

/**
 * An image as its registry has it, in the form of `GET /images/{name}/json` (API 1.51): `Size` is the sum of the compressed layers, `Descriptor` and `RepoDigests` name what the name stands
 * for, an index where it is one. What only an engine knows (GraphDriver, Metadata) is not there. Errors as `resolveContainer`.
 */
export async function inspectRemote(
  reader: ContentReader,
  ref: Reference,
  { platform, name }: { platform?: string | undefined; name: string },
): Promise<Partial<ImageInspect>> {
  const top = await readManifest(reader, ref.digest ?? ref.tag ?? "latest", `manifest of ${name}`);
  const { config, configDigest, content } = await resolveContainer(reader, top, { platform, name });
  const { digest, mediaType, bytes } = top.manifest;
  const repository = familiarName(ref);
  return {
    Id: configDigest,
    Descriptor: { mediaType, digest, size: bytes.byteLength },
    RepoTags: ref.tag ? [`${repository}:${ref.tag}`] : [],
    RepoDigests: [`${repository}@${digest}`],
    Parent: "",
    Comment: config.comment ?? config.history?.at(-1)?.comment ?? "",
    ...(config.created ? { Created: config.created } : {}),
    DockerVersion: config.docker_version ?? "",
    Author: config.author ?? "",
    Architecture: config.architecture,
    ...(config.variant ? { Variant: config.variant } : {}),
    Os: config.os,
    Size: sizeOf(content.layers),
    RootFS: { Type: "layers", ...(config.rootfs.diff_ids.length > 0 ? { Layers: config.rootfs.diff_ids } : {}) },
    Config: dockerConfig(config.config ?? {}),
  };
}

/** The sum of the parts, each digest once, in bytes. */
export function sizeOf(parts: readonly ContentDescriptor[]): number {
  return [...new Map(parts.map((part) => [part.digest, part.size])).values()].reduce((sum, size) => sum + size, 0);
}
