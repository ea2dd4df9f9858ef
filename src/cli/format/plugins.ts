import type { Plugin } from "../../spec/engine-api.ts";
import { Row } from "../template/values.ts";
import type { Listing } from "./listing.ts";
import { ellipsis, shortId } from "./text.ts";

const DESCRIPTION_WIDTH = 45;

/** `plugin ls` as Docker lists plugins. */
export function pluginListing(truncate: boolean): Listing<Plugin> {
  return {
    titles: {
      ID: "ID",
      Name: "NAME",
      Description: "DESCRIPTION",
      Enabled: "ENABLED",
      PluginReference: "IMAGE",
    },
    columns: ["ID", "Name", "Description", "Enabled"],
    row: (plugin) => {
      const text = plugin.Config.Description.replaceAll("\n", "").replaceAll("\r", "");
      return new Row(
        {
          ID: truncate ? shortId(plugin.Id ?? "") : (plugin.Id ?? ""),
          Name: plugin.Name,
          Description: truncate ? ellipsis(text, DESCRIPTION_WIDTH) : text,
          Enabled: plugin.Enabled,
          PluginReference: plugin.PluginReference ?? "",
        },
        { type: "*plugin.pluginContext" },
      );
    },
  };
}
