import type { ImageHistoryResponseItem } from "../../spec/engine-api.ts";
import { command } from "../command.ts";
import { type Listing, printListing } from "../format/listing.ts";
import { ellipsis, shortId } from "../format/text.ts";
import { ago, localRfc3339 } from "../format/time.ts";
import { humanSizeShort } from "../format/units.ts";
import { Row } from "../template/values.ts";

const CREATED_BY_WIDTH = 45;

/** `berth history`. */
export default command({
  usage: "[OPTIONS] IMAGE",
  summary: "Show the history of an image",
  args: [1, 1],
  flags: {
    format: { kind: "string", help: "'table', 'table TEMPLATE', 'json', or a Go template for each line" },
    human: { kind: "bool", short: "H", help: "Sizes and dates for people", fallback: true },
    "no-trunc": { kind: "bool", help: "Show everything in full" },
    platform: { since: 48, kind: "string", help: "Show this platform of the image" },
    quiet: { kind: "bool", short: "q", help: "Only show image ids" },
  },
  async run(ctx, { flags, args: [image = ""] }) {
    const items = await ctx.engine.images.history(image, { platform: flags.platform || undefined });
    const listing = historyListing({ truncate: !flags["no-trunc"], human: flags.human });
    await printListing(ctx, listing, items, { format: flags.format, quiet: flags.quiet ? "ID" : undefined });
    return 0;
  },
});

function historyListing(options: { truncate: boolean; human: boolean }): Listing<ImageHistoryResponseItem> {
  const { truncate, human } = options;
  return {
    titles: {
      ID: "IMAGE",
      CreatedSince: "CREATED",
      CreatedAt: "CREATED AT",
      CreatedBy: "CREATED BY",
      Size: "SIZE",
      Comment: "COMMENT",
    },
    columns: ["ID", human ? "CreatedSince" : "CreatedAt", "CreatedBy", "Size", "Comment"],
    row: (item) => {
      const by = (item.CreatedBy ?? "").replaceAll("\t", " ");
      return new Row(
        {
          ID: truncate ? shortId(item.Id) : item.Id,
          CreatedSince: item.Created > 0 ? ago(item.Created) : "N/A",
          CreatedAt: localRfc3339(item.Created),
          CreatedBy: truncate ? ellipsis(by, CREATED_BY_WIDTH) : by,
          Size: human ? humanSizeShort(item.Size) : String(item.Size),
          Comment: item.Comment,
        },
        { type: "*image.historyContext" },
      );
    },
  };
}
