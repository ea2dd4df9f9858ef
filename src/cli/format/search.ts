import type { ImageSearchResult } from "../../client/images.ts";
import { Row } from "../template/values.ts";
import type { Listing } from "./listing.ts";
import { ellipsis } from "./text.ts";

const DESCRIPTION_WIDTH = 45;
const mark = (on: boolean | undefined): string => (on ? "[OK]" : "");

/** `search` as Docker lists results. */
export function searchListing(truncate: boolean): Listing<ImageSearchResult> {
  return {
    titles: {
      Name: "NAME",
      Description: "DESCRIPTION",
      StarCount: "STARS",
      IsOfficial: "OFFICIAL",
      IsAutomated: "AUTOMATED",
    },
    columns: ["Name", "Description", "StarCount", "IsOfficial"],
    row: (result) => {
      const text = (result.description ?? "").replaceAll("\n", " ").replaceAll("\r", " ");
      return new Row(
        {
          Name: result.name ?? "",
          Description: truncate ? ellipsis(text, DESCRIPTION_WIDTH) : text,
          StarCount: String(result.star_count ?? 0),
          IsOfficial: mark(result.is_official),
          IsAutomated: mark(result.is_automated),
        },
        { type: "*registry.searchContext" },
      );
    },
  };
}
