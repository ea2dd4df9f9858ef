import type { Repository } from "../../registry/types.ts";
import type { Digest } from "../../spec/digest.ts";
import { BerthError } from "../../spec/errors.ts";
import { familiarString, type Reference } from "../../spec/reference.ts";
import type { ContentDescriptor } from "../content.ts";
import type { CopySink, CopySource, OpenBlob, PlannedImage } from "./types.ts";

const AT_ONCE = 3;

/** An image of a registry. `ref` has a tag or a digest; where it has both the digest counts. */
export function registrySource(repository: Repository, ref: Reference, signal: AbortSignal): CopySource {
  return {
    name: familiarString(ref),
    ref: ref.tag ? ref : undefined,
    repository: ref,
    top: () => repository.manifest(ref.digest ?? ref.tag ?? "latest"),
    manifest: (digest) => repository.manifest(digest),
    blob: ({ digest, size }, options) =>
      repository.blob(digest, { signal, ...(size === undefined ? {} : { size }), ...options }),
    referrers: (digest) => repository.referrers(digest),
    tagged: async (tag) => ((await repository.headManifest(tag)) ? repository.manifest(tag) : undefined),
    async [Symbol.asyncDispose]() {},
  };
}

/** A tag of a registry, or a digest, which then has to be that of what is copied. One image only. The tag is the last thing that is written. */
export function registrySink(repository: Repository, ref: Reference): CopySink {
  return new RegistrySink(repository, ref);
}

class RegistrySink implements CopySink {
  readonly name: string;
  readonly atOnce = AT_ONCE;
  #image: PlannedImage | undefined;

  constructor(
    private readonly repository: Repository,
    private readonly ref: Reference,
  ) {
    this.name = familiarString(ref);
  }

  async begin(
    [image, ...more]: readonly PlannedImage[],
    blobs: readonly ContentDescriptor[],
  ): Promise<ContentDescriptor[]> {
    if (!image || more.length > 0) {
      throw new BerthError("invalid-argument", `${this.name} is one image: several cannot be copied to it`, {
        hint: "copy them one by one, or into an archive",
      });
    }
    const { digest } = image.root.manifest;
    if (this.ref.digest && this.ref.digest !== digest) {
      throw new BerthError("invalid-argument", `${this.name}: ${image.source.name} has another digest: ${digest}`, {
        hint: "give a tag to copy to",
      });
    }
    this.#image = image;
    return [...blobs];
  }

  async already(blob: ContentDescriptor, { repository: from }: CopySource): Promise<string | undefined> {
    if (await this.repository.hasBlob(blob.digest)) return "Already exists";
    if (!from || from.domain !== this.ref.domain || from.path === this.ref.path) return undefined;
    return (await this.repository.mountBlob(blob.digest, from.path)) ? `Mounted from ${from.path}` : undefined;
  }

  write(
    { digest, size }: ContentDescriptor,
    open: OpenBlob,
    options: { onWait?: (seconds: number) => void } = {},
  ): Promise<void> {
    return this.repository.uploadBlob(digest, open, { size, ...options });
  }

  async finish(): Promise<void> {
    if (!this.#image) return;
    const { manifests, referrers, root } = this.#image;
    const put = (target: string, { mediaType, bytes }: PlannedImage["root"]["manifest"]): Promise<Digest> =>
      this.repository.putManifest(target, { mediaType, bytes });
    for (const { manifest } of manifests) if (manifest !== root.manifest) await put(manifest.digest, manifest);
    for (const { manifest, tag } of referrers) await put(tag ?? manifest.digest, manifest);
    await put(this.ref.tag ?? root.manifest.digest, root.manifest);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
