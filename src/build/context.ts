import { mkdirSync, rmdirSync, rmSync } from "node:fs";
import { decompress } from "../layer/compression.ts";
import type { LayerStore, RootView } from "../layer/types.ts";
import { unpackTar } from "../layer/unpack.ts";
import { type IgnoreRules, parseIgnore } from "../spec/dockerignore.ts";
import { BerthError, errnoOf } from "../spec/errors.ts";
import { sysName } from "../spec/names.ts";
import { normalizePath } from "../spec/paths.ts";
import { parseDockerfile } from "./dockerfile/parse.ts";
import type { Dockerfile } from "./dockerfile/syntax.ts";

/** The unpacked context, without what .dockerignore leaves out. */
export interface Context {
  view: RootView;
  dockerfile: Dockerfile;
}

const IGNORE_FILE = ".dockerignore";
const TEXT_LIMIT = 16 * 1024 * 1024;

/**
 * Unpacks a context tar into the new folder `folder`, reads the Dockerfile at `name` in it, and takes away what .dockerignore names. The Dockerfile and
 * .dockerignore are read even where they are left out themselves. Nothing outside `folder` is touched; names with "..", and links that lead
 * out, stay inside it.
 */
export async function openContext(
  tar: AsyncIterable<Uint8Array>,
  options: { folder: string; dockerfile: string; layers: LayerStore },
): Promise<Context> {
  mkdirSync(options.folder, { mode: 0o755 });
  await unpackTar(decompress(tar), options.folder, { whiteouts: "plain" });
  const view = options.layers.view(undefined, options.folder);
  const dockerfile = readDockerfile(view, options.dockerfile);
  const ignore = view.readFile(`/${options.dockerfile}${IGNORE_FILE}`) ?? view.readFile(`/${IGNORE_FILE}`);
  if (ignore) dropIgnored(view, options.folder, parseIgnore(ignore.toString()));
  return { view: options.layers.view(undefined, options.folder), dockerfile };
}

function readDockerfile(view: RootView, name: string): Dockerfile {
  if (normalizePath(`./${name}`).startsWith("..")) {
    throw new BerthError("invalid-argument", `forbidden path outside the build context: ${name} ()`);
  }
  const names = name === "Dockerfile" ? [name, "dockerfile"] : [name];
  for (const candidate of names) {
    const text = view.readFile(`/${candidate}`, TEXT_LIMIT);
    if (text?.length === 0) throw new BerthError("internal", `the Dockerfile (${name}) cannot be empty`);
    if (text) return parseDockerfile(text.toString(), normalizePath(candidate));
  }
  throw new BerthError("internal", `Cannot locate specified Dockerfile: ${name}`);
}

/** Removes what the rules leave out. A folder goes whole where nothing below it can come back in. */
function dropIgnored(view: RootView, folder: string, rules: IgnoreRules): void {
  const pending = [""];
  const emptied: string[] = [];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const name of view.readdir(`/${at}`)) {
      const path = at === "" ? name : `${at}/${name}`;
      const isDir = view.lstat(`/${path}`)?.type === "dir";
      const out = rules.excludes(path);
      if (out && (!isDir || !rules.hasExceptions))
        rmSync(sysName(`${folder}/${path}`), { recursive: true, force: true });
      else if (isDir) {
        pending.push(path);
        if (out) emptied.push(path);
      }
    }
  }
  for (const path of emptied.reverse()) removeIfEmpty(sysName(`${folder}/${path}`));
}

function removeIfEmpty(path: string | Buffer): void {
  try {
    rmdirSync(path);
  } catch (error) {
    // An exception kept something in it.
    if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
  }
}
