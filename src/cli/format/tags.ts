import type { Digest } from "../../spec/digest.ts";
import { Row } from "../template/values.ts";
import type { Listing } from "./listing.ts";
import { ago, goTime, unixOf } from "./time.ts";
import { humanSizeShort } from "./units.ts";

/** One tag of a registry; more than its name only where it was asked for. */
export interface TagLine {
  repository: string;
  tag: string;
  digest?: Digest;
  /** RFC 3339; absent for artifacts and images that hide their time. */
  created?: string;
  /** Bytes. */
  size?: number;
}

/** `tags` in the manner of `images`. */
export function tagListing({ digests }: { digests: boolean }): Listing<TagLine> {
  return {
    titles: {
      Repository: "REPOSITORY",
      Tag: "TAG",
      Digest: "DIGEST",
      CreatedSince: "CREATED",
      CreatedAt: "CREATED AT",
      Size: "SIZE",
    },
    columns: digests ? ["Tag", "Digest", "CreatedSince", "Size"] : ["Tag"],
    row: ({ repository, tag, digest = "", created, size }) => {
      const seconds = unixOf(created);
      const dated = created !== undefined && seconds > 0;
      return new Row(
        {
          Repository: repository,
          Tag: tag,
          Digest: digest,
          CreatedSince: dated ? ago(seconds) : "N/A",
          CreatedAt: dated ? goTime(seconds) : "N/A",
          Size: size === undefined ? "N/A" : humanSizeShort(size),
        },
        { type: "*formatter.tagContext" },
      );
    },
  };
}
