import { S_IF } from "../host/sys.ts";
import { BerthError } from "../spec/errors.ts";
import { compareNames } from "../spec/names.ts";
import { joinPaths } from "../spec/paths.ts";
import { quoted } from "./tar/error.ts";
import { isWhiteout } from "./tree.ts";
import type { RootView, ViewEntry } from "./types.ts";
import {
  isOpaqueIn,
  type LayerStat,
  readdirIn,
  readFileIn,
  readlinkIn,
  statIn,
  type ViewLayer,
  xattrsIn,
} from "./view-layer.ts";

/** Links followed for one path, as the kernel does (path_resolution(7)). */
const MAX_LINKS = 40;
const READ_LIMIT = 1 << 20;

const TYPES = new Map<number, ViewEntry["type"]>([
  [S_IF.REG, "file"],
  [S_IF.DIR, "dir"],
  [S_IF.LNK, "symlink"],
  [S_IF.CHR, "char"],
  [S_IF.BLK, "block"],
  [S_IF.IFO, "fifo"],
]);

/** A place in the merged tree: a folder has all layers that contribute to it, top first; anything else has one. */
interface Node {
  rel: string;
  layers: ViewLayer[];
  stat: LayerStat;
}

/**
 * The merged view of `layers` (top first) below `upper`, which may be in use by a container. Whiteouts and opaque folders hide what is
 * below, as overlay does (kernel, overlayfs.rst). Every link is followed here, inside the root; the kernel is never asked to follow one.
 * `readFile` throws `invalid-argument` for a file above its limit; any call does after 40 links. `readdir` of what is no folder is empty.
 */
export function openView(layers: readonly string[], upper?: string): RootView {
  const stack: ViewLayer[] = layers.map((root) => ({ root, live: false }));
  if (upper !== undefined) stack.unshift({ root: upper, live: true });
  return {
    lstat(path, more) {
      const { node } = walk(stack, path, false);
      return node && entryOf(node, more?.xattrs === true);
    },
    resolve: (path) => walk(stack, path, true).path,
    readFile(path, limit = READ_LIMIT) {
      const { node } = walk(stack, path, true);
      const [layer] = node?.layers ?? [];
      return node && layer && isType(node, S_IF.REG) ? readFileIn(layer, node.rel, limit) : undefined;
    },
    readdir(path) {
      const { node } = walk(stack, path, true);
      return node && isType(node, S_IF.DIR) ? mergedNames(node) : [];
    },
  };
}

/** Whether `upper` may change what is at `path` in the layers below: it has the entry itself, or something on the way that is not merely merged. */
export function isTouched(upper: string, path: string): boolean {
  const layer: ViewLayer = { root: upper, live: true };
  let rel = "";
  for (const name of parts(path)) {
    rel = rel === "" ? name : `${rel}/${name}`;
    const stat = statIn(layer, rel);
    if (!stat) return false;
    if ((stat.mode & S_IF.MT) !== S_IF.DIR || isOpaqueIn(layer, rel)) return true;
  }
  return true;
}

function isType(node: Node, type: number): boolean {
  return (node.stat.mode & S_IF.MT) === type;
}

function entryOf(node: Node, withXattrs: boolean): ViewEntry | undefined {
  const [layer] = node.layers;
  const type = TYPES.get(node.stat.mode & S_IF.MT);
  if (!layer || !type) return undefined;
  const { mode, uid, gid, size, mtimeMs, rdev, dev, ino, nlink } = node.stat;
  const xattrs = withXattrs ? xattrsIn(layer, node.rel) : undefined;
  return {
    type,
    mode: mode & 0o7777,
    uid,
    gid,
    size,
    mtimeMs,
    hostPath: node.rel === "" ? layer.root : `${layer.root}/${node.rel}`,
    ...(xattrs ? { xattrs } : {}),
    ...(type !== "dir" && nlink > 1 ? { inode: `${dev}:${ino}` } : {}),
    ...(type === "symlink" ? { link: readlinkIn(layer, node.rel) } : {}),
    ...(type === "char" || type === "block" ? { rdev } : {}),
  };
}

/** Where `path` leads, and what is there. Missing parts are kept in the path as they are, cleaned. */
function walk(stack: readonly ViewLayer[], path: string, followLast: boolean): { path: string; node?: Node } {
  const root = rootNode(stack);
  const trail: Node[] = [root];
  const todo = parts(path).reverse();
  let links = 0;
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    const here = trail.at(-1) ?? root;
    if (name === "..") {
      if (trail.length > 1) trail.pop();
      continue;
    }
    const node = isType(here, S_IF.DIR) ? lookup(here, name) : undefined;
    if (!node) return { path: joinPaths("/", here.rel, name, ...todo.reverse()) };
    const [layer] = node.layers;
    if (isType(node, S_IF.LNK) && layer && (followLast || todo.length > 0)) {
      if (++links > MAX_LINKS)
        throw new BerthError("invalid-argument", `${quoted(path)}: too many levels of symbolic links`);
      const target = readlinkIn(layer, node.rel);
      if (target.startsWith("/")) trail.length = 1;
      todo.push(...parts(target).reverse());
    } else trail.push(node);
  }
  const node = trail.at(-1) ?? root;
  return { path: `/${node.rel}`, node };
}

function parts(path: string): string[] {
  return path.split("/").filter((p) => p !== "" && p !== ".");
}

/** The root of a view without layers. */
const NOTHING = { mode: S_IF.DIR | 0o755, uid: 0, gid: 0, size: 0, rdev: 0, mtimeMs: 0, dev: 0, ino: 0, nlink: 1 };

function rootNode(stack: readonly ViewLayer[]): Node {
  const layers = [...stack];
  const [top] = layers;
  const stat = top && statIn(top, "");
  return { rel: "", layers, stat: stat ?? NOTHING };
}

/** A name in a merged folder: the topmost layer that has it decides; folders merge until a layer hides the rest. */
function lookup(parent: Node, name: string): Node | undefined {
  const rel = parent.rel === "" ? name : `${parent.rel}/${name}`;
  const last = parent.layers.at(-1);
  let found: Node | undefined;
  for (const layer of parent.layers) {
    const stat = statIn(layer, rel);
    if (!stat) continue;
    const isDir = (stat.mode & S_IF.MT) === S_IF.DIR;
    if (isWhiteout(stat) || (found && !isDir)) break;
    if (found) found.layers.push(layer);
    else found = { rel, layers: [layer], stat };
    if (!isDir || layer === last || isOpaqueIn(layer, rel)) break;
  }
  return found;
}

function mergedNames(node: Node): string[] {
  const shown = new Map<string, boolean>();
  for (const layer of node.layers) {
    for (const { name, whiteout } of readdirIn(layer, node.rel)) {
      if (!shown.has(name)) shown.set(name, !whiteout);
    }
  }
  return [...shown]
    .filter(([, show]) => show)
    .map(([name]) => name)
    .sort(compareNames);
}
