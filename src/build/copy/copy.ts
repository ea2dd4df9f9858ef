import { posix } from "node:path";
import { writeTar } from "../../layer/tar/writer.ts";
import type { ChainId, LayerRecord, LayerStore, RootView } from "../../layer/types.ts";
import { BerthError, messageOf } from "../../spec/errors.ts";
import { hasWildcard } from "../../spec/gomatch.ts";
import { baseName, joinPaths, normalizePath } from "../../spec/paths.ts";
import { heredocOf } from "../dockerfile/expand-node.ts";
import type { CopyNode } from "../dockerfile/syntax.ts";
import { isArchive, rootLayer, unpackSource } from "./archive.ts";
import { fetchSource, isUrl } from "./fetch.ts";
import { type ModeChange, parseMode } from "./mode.ts";
import { type Owner, resolveOwner } from "./owner.ts";
import { Placement } from "./place.ts";
import { bytesSource, collect, contentDigest, digestOf, glob, type Source } from "./source.ts";

/** Where a COPY or ADD takes from and puts to. */
export interface CopyContext {
  /** The tree that sources are in. */
  from: RootView;
  /** It is the build context: everything becomes root's, and paths may not climb. */
  isContext: boolean;
  layers: LayerStore;
  top?: ChainId;
  workdir: string;
  /** A folder for what is fetched and unpacked on the way. */
  tmp: string;
  /** The latest time of a file, seconds since 1970. */
  epoch: number;
  /** Keeps the layer that is made from GC. */
  hold: (chain: ChainId) => void;
  signal?: AbortSignal;
}

/** A COPY whose sources are read: `key` says all that the layer depends on besides the layers below; `make` makes it. */
export interface CopyJob {
  key: string[];
  make: () => Promise<LayerRecord>;
}

const UNSUPPORTED = ["parents", "exclude", "keep-git-dir"];
const ROOT: Owner = { uid: 0, gid: 0 };
const FOLDER_MODE = 0o755;

/** Reads the sources of an expanded COPY or ADD. Throws with Docker's words where one is missing, climbs or does not fit the destination. */
export async function prepareCopy(node: CopyNode, context: CopyContext): Promise<CopyJob> {
  const flag = (name: string): string | undefined => node.flags.find((f) => f.name === name)?.value;
  const unsupported = node.flags.find((f) => UNSUPPORTED.includes(f.name) && f.value !== "false");
  if (unsupported)
    throw new BerthError("not-implemented", `${node.keyword} --${unsupported.name} is not supported yet`);
  const sources = await sourcesOf(node, context);
  const target = targetOf(node.destination.text, context.workdir);
  const below = context.layers.view(context.top);
  if (sources.length > 1 && !target.endsWith("/") && below.lstat(below.resolve(target))?.type !== "dir") {
    throw new BerthError(
      "invalid-argument",
      `When using ${node.keyword} with more than one source file, the destination must be a directory and end with a /`,
    );
  }
  const chown = flag("chown");
  const owner = chown ? resolveOwner(chown, below) : undefined;
  const chmod = flag("chmod");
  const mode = chmod === undefined ? undefined : parseMode(chmod);
  const digests: string[] = [];
  for (const source of sources) digests.push(await digestOf(source));
  const key = [target, JSON.stringify(owner ?? null), chmod ?? "", String(context.epoch), ...digests];
  return { key, make: () => makeLayer(sources, target, { context, below, owner, mode }) };
}

interface MakeOptions {
  context: CopyContext;
  below: RootView;
  owner: Owner | undefined;
  mode: ModeChange | undefined;
}

async function makeLayer(sources: Source[], target: string, options: MakeOptions): Promise<LayerRecord> {
  const { context, owner, mode } = options;
  const [only, ...others] = sources;
  if (only?.archive && others.length === 0 && !context.top && target === "/" && mode === undefined) {
    return rootLayer(only.archive, {
      tmp: context.tmp,
      layers: context.layers,
      hold: context.hold,
      ...(owner ? { owner } : {}),
    });
  }
  const placement = new Placement(options.below, {
    ...(owner ? { owner } : {}),
    ...(mode === undefined ? {} : { mode }),
    epoch: context.epoch,
  });
  for (const source of sources) {
    if (!source.archive) placement.add(source, target);
    else placement.add(await unpackSource(source.archive, context.tmp, context.layers), target);
  }
  return context.layers.applyStream(writeTar(placement.tar()), {
    ...(context.top ? { parent: context.top } : {}),
    hold: context.hold,
  });
}

async function sourcesOf(node: CopyNode, context: CopyContext): Promise<Source[]> {
  const docs = new Map(node.heredocs.map((h) => [h.name, h.content]));
  const sources: Source[] = [];
  for (const { text } of node.sources) {
    const doc = heredocOf(text, [...docs.keys()]);
    if (doc !== undefined) sources.push(bytesSource(doc, Buffer.from(docs.get(doc) ?? "")));
    else if (node.keyword === "ADD" && isUrl(text)) sources.push(await fetched(node, text, context));
    else sources.push(...(await found(node, text, context)));
  }
  if (sources.length === 0) throw failed(node, "no source files were specified");
  return sources;
}

async function fetched(node: CopyNode, url: string, context: CopyContext): Promise<Source> {
  const source = await fetchSource(url, context.tmp, context.signal).catch((cause: unknown) => {
    throw failed(node, messageOf(cause), cause);
  });
  const wanted = node.flags.find((f) => f.name === "checksum")?.value;
  const [entry] = source.entries;
  if (wanted && entry) {
    const got = `sha256:${await contentDigest(entry)}`;
    if (got !== wanted) throw failed(node, `digest mismatch ${got}: ${wanted}`);
  }
  return unpackFlag(node) === "true" ? archiveOr(source) : source;
}

async function found(node: CopyNode, text: string, context: CopyContext): Promise<Source[]> {
  if (/^(?:git@|git:\/\/|ssh:\/\/)/.test(text) && node.keyword === "ADD") {
    throw new BerthError("not-implemented", `ADD of a git repository is not supported yet: ${text}`);
  }
  const clean = joinPaths("/", text);
  if (context.isContext && climbs(text)) {
    throw failed(node, `forbidden path outside the build context: ${text} ()`);
  }
  const paths = hasWildcard(clean) ? glob(context.from, clean) : [clean];
  const sources: Source[] = [];
  for (const path of paths) {
    const resolved = context.from.resolve(path);
    if (!context.from.lstat(resolved)) throw failed(node, missing(text, context.isContext));
    const source = { name: baseName(path), entries: await entriesOf(resolved, context) };
    sources.push(node.keyword === "ADD" && unpackFlag(node) !== "false" ? await archiveOr(source) : source);
  }
  return sources;
}

async function entriesOf(path: string, context: CopyContext): Promise<Source["entries"]> {
  const entries = await collect(context.from, path);
  if (!context.isContext) return entries;
  // The context's own folder has whatever mode its archive gave it; a copy of it is an ordinary folder.
  return entries.map((e) => ({ ...e, ...ROOT, ...(path === "/" && e.path === "" ? { mode: FOLDER_MODE } : {}) }));
}

async function archiveOr(source: Source): Promise<Source> {
  const [entry] = source.entries;
  return entry && source.entries.length === 1 && (await isArchive(entry)) ? { ...source, archive: entry } : source;
}

function unpackFlag(node: CopyNode): string | undefined {
  return node.flags.find((f) => f.name === "unpack")?.value;
}

/** True where `path` leads above the folder it starts from. */
function climbs(path: string): boolean {
  const clean = normalizePath(`./${path}`);
  return clean === ".." || clean.startsWith("../");
}

/** The destination, absolute; with a slash at its end where it has to be a folder. */
function targetOf(destination: string, workdir: string): string {
  const path = posix.resolve("/", workdir, destination);
  const folder = /(?:^|\/)\.{0,2}$/.test(destination);
  return folder && path !== "/" ? `${path}/` : path;
}

function missing(text: string, isContext: boolean): string {
  const where = isContext ? "file not found in build context or excluded by .dockerignore: " : "";
  return `${where}stat ${joinPaths("/", text).slice(1)}: file does not exist`;
}

function failed(node: CopyNode, message: string, cause?: unknown): BerthError {
  const kind = cause instanceof BerthError ? cause.kind : "invalid-argument";
  return new BerthError(kind, `${node.keyword} failed: ${message}`, { cause });
}
