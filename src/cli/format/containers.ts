import type { ContainerSummary } from "../../spec/engine-api.ts";
import { Row } from "../template/values.ts";
import type { Listing } from "./listing.ts";
import { portsText } from "./ports.ts";
import { ellipsis, goQuote, shortId } from "./text.ts";
import { ago, goTime } from "./time.ts";
import { humanSizeShort } from "./units.ts";

const TITLES = {
  ID: "CONTAINER ID",
  Image: "IMAGE",
  Command: "COMMAND",
  CreatedAt: "CREATED AT",
  RunningFor: "CREATED",
  Ports: "PORTS",
  State: "STATE",
  Status: "STATUS",
  Size: "SIZE",
  Names: "NAMES",
  Labels: "LABELS",
  Mounts: "MOUNTS",
  LocalVolumes: "LOCAL VOLUMES",
  Networks: "NETWORKS",
  Platform: "PLATFORM",
};

const COLUMNS = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"];
const COMMAND_WIDTH = 20;
const MOUNT_WIDTH = 15;

const RAW: [string, string][] = [
  ["container_id", "ID"],
  ["image", "Image"],
  ["command", "Command"],
  ["created_at", "CreatedAt"],
  ["state", "State"],
  ["status", "Status"],
  ["names", "Names"],
  ["labels", "Labels"],
  ["ports", "Ports"],
];

/** `ps` as Docker lists containers. */
export function containerListing(options: { truncate: boolean; size: boolean }): Listing<ContainerSummary> {
  return {
    titles: TITLES,
    checked: true,
    columns: options.size ? [...COLUMNS, "Size"] : COLUMNS,
    raw: options.size ? [...RAW, ["size", "Size"]] : RAW,
    row: (c) => containerRow(c, options.truncate),
  };
}

function containerRow(c: ContainerSummary, truncate: boolean): Row {
  const labels = c.Labels ?? {};
  const mounts = (c.Mounts ?? []).map((m) => m.Name || m.Source || "");
  const command = c.Command ?? "";
  return new Row(
    {
      ID: truncate ? shortId(c.Id ?? "") : (c.Id ?? ""),
      Image: imageText(c, truncate),
      Command: goQuote(truncate ? ellipsis(command, COMMAND_WIDTH) : command),
      CreatedAt: goTime(c.Created ?? 0),
      RunningFor: ago(c.Created ?? 0),
      Ports: portsText(c.Ports ?? []),
      State: c.State ?? "",
      Status: c.Status ?? "",
      Size: sizeText(c),
      Names: namesText(c.Names ?? [], truncate),
      Labels: Object.entries(labels)
        .map(([k, v]) => `${k}=${v}`)
        .sort()
        .join(","),
      Label: (name: unknown) => labels[String(name)] ?? "",
      Mounts: mounts.map((m) => (truncate ? ellipsis(m, MOUNT_WIDTH) : m)).join(","),
      LocalVolumes: String((c.Mounts ?? []).filter((m) => m.Driver === "local").length),
      Networks: Object.keys(c.NetworkSettings?.Networks ?? {}).join(","),
      Platform: null,
    },
    { type: "*formatter.ContainerContext" },
  );
}

function imageText(c: ContainerSummary, truncate: boolean): string {
  const image = c.Image ?? "";
  if (image === "") return "<no image>";
  if (!truncate) return image;
  const short = shortId(c.ImageID ?? "");
  if (/^(sha256:)?[0-9a-f]{12,}$/.test(image) && shortId(image) === short) return short;
  return image.includes(":") && image.includes("@") ? image.slice(0, image.indexOf("@")) : image;
}

function namesText(names: readonly string[], truncate: boolean): string {
  const bare = names.map((n) => n.replace(/^\//, ""));
  return bare.filter((n) => !truncate || !n.includes("/")).join(",");
}

function sizeText(c: ContainerSummary): string {
  const rw = humanSizeShort(c.SizeRw ?? 0);
  return c.SizeRootFs ? `${rw} (virtual ${humanSizeShort(c.SizeRootFs)})` : rw;
}
