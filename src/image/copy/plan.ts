import type { FetchedManifest } from "../../registry/types.ts";
import { type Digest, parseDigest } from "../../spec/digest.ts";
import { BerthError, isKind } from "../../spec/errors.ts";
import { platformList } from "../choose.ts";
import { type ContentDescriptor, isManifestType, parseContent } from "../content.ts";
import { type ContentReader, followPlatform, type ParsedManifest, resolveContainer } from "../remote/resolve.ts";
import type { Companion, CopySource, PlannedImage } from "./types.ts";

/** Bounds of what one name may stand for: more than any image has. */
const MAX_DEPTH = 8;
const MAX_MANIFESTS = 2000;
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_BLOBS = 65_536;
const AT_ONCE = 6;
/** Endings of the tags by which cosign names what is about a manifest: `sha256-<hex>.sig`. */
const TAGGED = ["sig", "att", "sbom"];
const ELSEWHERE = /(?:nondistributable|foreign)/;

/** What of an image is copied. */
export interface PlanOptions {
  /** Of an index the manifest of this platform only. */
  platform?: string | undefined;
  /** What refers to the manifests, too: signatures, SBOMs; by their subjects, and by cosign's tags. */
  referrers?: boolean;
}

/**
 * Reads all manifests that the name stands for, byte for byte as they are, and lists the blobs that they need. Throws `not-found` that names what is missing, `invalid-argument` for content that is malformed
 * or beyond all measure.
 */
export async function planImage(source: CopySource, options: PlanOptions): Promise<PlannedImage> {
  const planner = new Planner(source);
  const top = planner.parse(await source.top(), `manifest of ${source.name}`);
  const root = await chosen(source, top, options.platform);
  await planner.add(root, 0);
  if (options.referrers) await planner.addReferrers();
  return planner.planned(root);
}

/** The whole, or the manifest of one platform. */
async function chosen(source: CopySource, top: ParsedManifest, platform: string | undefined): Promise<ParsedManifest> {
  if (platform === undefined) return top;
  const reader: ContentReader = {
    manifest: (digest) => source.manifest(parseDigest(digest)),
    blob: (digest) => source.blob({ digest }),
  };
  const options = { platform, name: source.name };
  // What stands alone says in its config what it is for.
  if (top.content.kind === "manifest") return resolveContainer(reader, top, options);
  return followPlatform(reader, top, options);
}

class Planner {
  readonly #manifests = new Map<Digest, ParsedManifest>();
  /** By their digests, or their tags. */
  readonly #referrers = new Map<string, Companion>();
  readonly #blobs = new Map<Digest, ContentDescriptor>();
  readonly #foreign = new Map<Digest, ContentDescriptor>();
  readonly #notes: string[] = [];
  #bytes = 0;

  constructor(private readonly source: CopySource) {}

  parse(manifest: FetchedManifest, what: string): ParsedManifest {
    return { manifest, content: parseContent(manifest.bytes, manifest.mediaType, what) };
  }

  /** A manifest and all below it; behind that it is listed itself. */
  async add(one: ParsedManifest, depth: number): Promise<void> {
    const { digest } = one.manifest;
    if (this.#manifests.has(digest)) return;
    if (depth > MAX_DEPTH) throw this.#refused(`indexes inside indexes, more than ${MAX_DEPTH} deep`);
    this.#count(one);
    const { config, layers, members } = one.content;
    for (const part of [...(config ? [config] : []), ...layers]) this.#addPart(part);
    const below = members.filter((member) => isManifestType(member.mediaType));
    for (const part of members) if (!isManifestType(part.mediaType)) this.#addPart(part);
    for (let at = 0; at < below.length; at += AT_ONCE) {
      const batch = await Promise.all(below.slice(at, at + AT_ONCE).map((member) => this.#member(one, member)));
      for (const child of batch) await this.add(child, depth + 1);
    }
    this.#manifests.set(digest, one);
  }

  /** What refers to the manifests so far, and to those. */
  async addReferrers(): Promise<void> {
    const asked = [...this.#manifests.keys()];
    for (let subject = asked.shift(); subject !== undefined; subject = asked.shift()) {
      for (const { digest, mediaType } of await this.source.referrers(subject)) {
        if (this.#manifests.has(digest) || this.#referrers.has(digest)) continue;
        const one = await this.#referrer(subject, digest, mediaType);
        if (!one) continue;
        this.#addCompanion(digest, one);
        asked.push(digest);
      }
      await this.#addTagged(subject);
    }
  }

  planned(root: ParsedManifest): PlannedImage {
    return {
      source: this.source,
      root,
      manifests: [...this.#manifests.values()],
      referrers: [...this.#referrers.values()],
      blobs: [...this.#blobs.values()],
      foreign: [...this.#foreign.values()],
      notes: this.#notes,
    };
  }

  async #referrer(subject: Digest, digest: Digest, mediaType: string): Promise<Companion | undefined> {
    const manifest = await this.source.manifest(digest).catch((error: unknown) => {
      if (!isKind(error, "not-found")) throw error;
      this.#notes.push(`${this.source.name}: ${digest} is listed among the referrers, but is not there`);
      return undefined;
    });
    if (!manifest) return undefined;
    const one = this.parse({ ...manifest, mediaType: manifest.mediaType || mediaType }, `referrer ${digest}`);
    if (one.content.subject?.digest !== subject) throw this.#refused(`${digest} does not refer to ${subject}`);
    return one;
  }

  async #addTagged(subject: Digest): Promise<void> {
    const tags = TAGGED.map((ending) => `${subject.replace(":", "-")}.${ending}`);
    const found = await Promise.all(tags.map((tag) => this.source.tagged(tag)));
    for (const [at, manifest] of found.entries()) {
      const tag = tags[at];
      if (manifest && tag) this.#addCompanion(tag, { ...this.parse(manifest, `manifest of ${tag}`), tag });
    }
  }

  #addCompanion(key: string, one: Companion): void {
    this.#count(one);
    const { config, layers, members } = one.content;
    if (members.length > 0) throw this.#refused(`${one.manifest.digest} is about a manifest, but is an index`);
    for (const part of [...(config ? [config] : []), ...layers]) this.#addPart(part);
    this.#referrers.set(key, one);
  }

  async #member(index: ParsedManifest, member: ContentDescriptor): Promise<ParsedManifest> {
    const known = this.#manifests.get(member.digest);
    if (known) return known;
    const manifest = await this.source.manifest(member.digest).catch((error: unknown) => {
      if (!isKind(error, "not-found")) throw error;
      throw new BerthError(
        "not-found",
        `index ${index.manifest.digest} names manifest ${member.digest}, which ${this.source.name} does not have`,
        { hint: `choose one that is there with --platform: ${platformList(index.content.members)}`, cause: error },
      );
    });
    if (manifest.bytes.byteLength !== member.size) {
      throw this.#refused(`${member.digest} should have ${member.size} bytes, but has ${manifest.bytes.byteLength}`);
    }
    return this.parse(manifest, `manifest ${member.digest}`);
  }

  #addPart(part: ContentDescriptor): void {
    if (part.urls && part.urls.length > 0 && ELSEWHERE.test(part.mediaType)) this.#foreign.set(part.digest, part);
    else {
      const known = this.#blobs.get(part.digest);
      if (known && known.size !== part.size) throw this.#refused(`two sizes of ${part.digest} are told`);
      this.#blobs.set(part.digest, known ?? part);
    }
    if (this.#blobs.size > MAX_BLOBS) throw this.#refused(`it has more than ${MAX_BLOBS} blobs`);
  }

  #count({ manifest }: ParsedManifest): void {
    this.#bytes += manifest.bytes.byteLength;
    if (this.#bytes > MAX_BYTES) throw this.#refused(`its manifests have more than ${MAX_BYTES} bytes`);
    if (this.#manifests.size + this.#referrers.size >= MAX_MANIFESTS)
      throw this.#refused(`it has more than ${MAX_MANIFESTS} manifests`);
  }

  #refused(why: string): BerthError {
    return new BerthError("invalid-argument", `${this.source.name}: ${why}`);
  }
}
