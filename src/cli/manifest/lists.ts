import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Digest } from "../../spec/digest.ts";
import { errnoOf } from "../../spec/errors.ts";
import type { Manifest } from "../../spec/oci.ts";
import type { Reference } from "../../spec/reference.ts";
import { ExitError } from "../exit.ts";

/** A platform, as the members of a list have it. In this order of keys it is written. */
export interface MemberPlatform {
  architecture: string;
  os: string;
  "os.version"?: string;
  "os.features"?: string[];
  variant?: string;
}

/** One image of a list, in the form in which docker keeps it below `manifests/`. */
export interface Member {
  Ref: string;
  Descriptor: { mediaType: string; digest: Digest; size: number; urls?: string[]; platform: MemberPlatform };
  /** The manifest's bytes, base64. */
  Raw: string;
  SchemaV2Manifest?: Manifest;
  OCIManifest?: Manifest;
}

/** A whole name: `docker.io/library/app:1`, `host:5000/app@sha256:…`. */
export function fullName({ domain, path, tag, digest }: Reference): string {
  return `${domain}/${path}${tag ? `:${tag}` : ""}${digest ? `@${digest}` : ""}`;
}

/**
 * Lists that are being put together: a folder each below `manifests/` of the configuration, a file each image, shared with docker. A kill
 * leaves a file whole or absent.
 */
export class ManifestLists {
  readonly #root: string;

  constructor(configDir: string) {
    this.#root = join(configDir, "manifests");
  }

  /** In the order of the files' names. Undefined where there is no such list. */
  get(list: Reference): Member[] | undefined {
    const folder = this.#folder(list);
    try {
      return readdirSync(folder)
        .sort()
        .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Member);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** One image of a list; undefined where it is not part of it. */
  member(list: Reference, image: Reference): Member | undefined {
    try {
      return JSON.parse(readFileSync(join(this.#folder(list), safeName(image)), "utf8")) as Member;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  save(list: Reference, image: Reference, member: Member): void {
    const folder = this.#folder(list);
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    const temporary = join(this.#root, `.${process.pid}.tmp`);
    writeFileSync(temporary, JSON.stringify(member));
    renameSync(temporary, join(folder, safeName(image)));
  }

  remove(list: Reference): void {
    rmSync(this.#folder(list), { recursive: true, force: true });
  }

  #folder(list: Reference): string {
    return join(this.#root, safeName(list));
  }
}

/** A reference has neither `..` nor blanks in it; without slashes it is a file's name. */
function safeName(ref: Reference): string {
  return fullName(ref).replaceAll(":", "-").replaceAll("/", "_");
}

/** In docker's words, for a list or an image that nobody has put here. */
export function noSuchManifest(ref: Reference): ExitError {
  return new ExitError(1, `No such manifest: ${fullName(ref)}`);
}
