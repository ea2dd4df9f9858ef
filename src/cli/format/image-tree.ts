import type { ImageSummary } from "../../spec/engine-api.ts";
import { shortId } from "./text.ts";
import { humanSizeShort } from "./units.ts";

/** A line of the tree: what stands in the columns behind the name is absent where a further name of the same image follows. */
interface TreeLine {
  name: string;
  cells?: { id: string; disk: string; content: string; used: boolean };
}

const GAP = "   ";
const TITLES = { name: "IMAGE", id: "ID", disk: "DISK USAGE", content: "CONTENT SIZE" };
const ID_WIDTH = 12;

/**
 * `images --tree`: an image under all of its names, and below it its platforms where it has several. The last name has the columns; sizes
 * stand to the right, as docker 28 has them.
 */
export function imageTree(images: readonly ImageSummary[]): string {
  const lines = images.flatMap((image, at) => [...(at > 0 && isTall(image) ? [{ name: "" }] : []), ...linesOf(image)]);
  const width = Math.max(TITLES.name.length, ...lines.map((line) => (line.cells ? line.name.length : 0)));
  const { id, disk, content } = TITLES;
  const head = [TITLES.name.padEnd(width), id.padEnd(ID_WIDTH), disk, content, "EXTRA"].join(GAP);
  const body = lines.map(({ name, cells }) => {
    if (!cells) return name;
    const columns = [name.padEnd(width), cells.id.padEnd(ID_WIDTH)];
    columns.push(cells.disk.padStart(disk.length), cells.content.padStart(content.length));
    return [...columns, cells.used ? "U" : ""].join(GAP).trimEnd();
  });
  return `${[head, ...body].join("\n")}\n`;
}

function isTall(image: ImageSummary): boolean {
  return platformsOf(image).length > 0;
}

function linesOf(image: ImageSummary): TreeLine[] {
  const tags = (image.RepoTags ?? []).filter((tag) => tag !== "<none>:<none>");
  const names = tags.sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
  const platforms = platformsOf(image);
  const own = {
    id: shortId(image.Id),
    disk: humanSizeShort(image.Size),
    content: humanSizeShort(platforms.reduce((sum, p) => sum + (p.content ?? 0), 0)),
    used: image.Containers > 0 || platforms.some((p) => p.used),
  };
  const shown = names.length === 0 ? ["<untagged>"] : names;
  const last = shown.length - 1;
  const below = platforms.map(({ name, id, disk, content, used }, at): TreeLine => {
    const branch = at === platforms.length - 1 ? "└─" : "├─";
    const cells = { id: shortId(id), disk: humanSizeShort(disk), content: humanSizeShort(content), used };
    return { name: `${branch} ${name}`, cells };
  });
  return [...shown.map((name, at): TreeLine => (at === last ? { name, cells: own } : { name })), ...below];
}

interface PlatformSizes {
  name: string;
  id: string;
  disk: number;
  content: number;
  used: boolean;
}

/** The platforms of an image that has manifests of its own for them (ImageManifestSummary). */
function platformsOf(image: ImageSummary): PlatformSizes[] {
  return (image.Manifests ?? []).flatMap((manifest) => {
    const { ImageData: data, Descriptor, Size } = manifest;
    if (manifest.Kind !== "image" || !data) return [];
    const { os = "", architecture = "", variant } = data.Platform ?? {};
    const name = [os, architecture, ...(variant ? [variant] : [])].join("/");
    const used = (data.Containers ?? []).length > 0;
    return [{ name, id: Descriptor.digest ?? "", disk: Size.Total, content: Size.Content, used }];
  });
}
