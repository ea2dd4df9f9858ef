import type { Volume } from "../../spec/engine-api.ts";
import { Row } from "../template/values.ts";
import type { Listing } from "./listing.ts";
import { humanSizeShort } from "./units.ts";

/** `volume ls` as Docker lists volumes. */
export const VOLUME_LISTING: Listing<Volume> = {
  titles: {
    Driver: "DRIVER",
    Name: "VOLUME NAME",
    Mountpoint: "MOUNTPOINT",
    Scope: "SCOPE",
    Labels: "LABELS",
    Links: "LINKS",
    Size: "SIZE",
    Availability: "AVAILABILITY",
    Group: "GROUP",
    Status: "STATUS",
  },
  columns: ["Driver", "Name"],
  raw: [
    ["name", "Name"],
    ["driver", "Driver"],
  ],
  row: (v) =>
    new Row(
      {
        Availability: "N/A",
        Driver: v.Driver,
        Group: "N/A",
        Label: (name: unknown) => v.Labels?.[String(name)] ?? "",
        Labels: Object.entries(v.Labels ?? {})
          .map(([k, x]) => `${k}=${x}`)
          .sort()
          .join(","),
        Links: v.UsageData ? String(v.UsageData.RefCount) : "N/A",
        Mountpoint: v.Mountpoint,
        Name: v.Name,
        Scope: v.Scope,
        Size: v.UsageData ? humanSizeShort(v.UsageData.Size) : "N/A",
        Status: "N/A",
      },
      { type: "*formatter.volumeContext" },
    ),
};
