import { open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { errnoOf } from "../../spec/errors.ts";

/** What may stand in a hosts file: aliases are any text, and none may become a line or a name of its own. */
const NAME = /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i;
/** A line of ours. Others between the marks are somebody's who did not see them: they stay. */
const OURS = /^[0-9a-f.:]+\t\S+\.container( |$)/;
const TRIES = 5;

/** Lines of a hosts file (hosts(5)), one for each address, with its names in the order in which they are known. */
export function linesOf(names: Map<string, string[]>): string[] {
  const byAddress = new Map<string, string[]>();
  for (const [name, addresses] of names) {
    if (!NAME.test(name)) continue;
    for (const address of new Set(addresses)) byAddress.set(address, [...(byAddress.get(address) ?? []), name]);
  }
  return [...byAddress].map(([address, all]) => `${address}\t${all.join(" ")}`);
}

/** A hosts file's text with these lines between marks that name `tag`, at its end; without lines the marks go too. */
export function withBlock(text: string, { tag, lines }: { tag: string; lines: string[] }): string {
  const [first, last] = [`# BEGIN ${tag}: names of containers, written by the daemon`, `# END ${tag}`];
  let inside = false;
  const kept = text.split("\n").filter((line) => {
    const mark = line === first || line === last;
    if (mark) inside = line === first;
    return !mark && !(inside && OURS.test(line));
  });
  const rest = kept.join("\n");
  if (lines.length === 0) return rest;
  return `${rest}${rest === "" || rest.endsWith("\n") ? "" : "\n"}${[first, ...lines, last].join("\n")}\n`;
}

/**
 * Puts the block of `tag` into a hosts file, whole or not at all; mode and owner stay, as does what others write meanwhile. A file that cannot be
 * replaced, being a mount, is written in place. Repeatable.
 */
export async function putBlock(path: string, block: { tag: string; lines: string[] }): Promise<void> {
  const file = await realpath(path).catch(() => path); // One that is not there yet.
  const draft = `${file}.${block.tag}`;
  for (let n = 0; n < TRIES; n++) {
    const before = await stat(file).catch(ifMissing);
    const text = before ? await readFile(file, "latin1") : "";
    const next = withBlock(text, block);
    if (next === text) return;
    try {
      await rm(draft, { force: true });
      await write(draft, next, { flags: "wx", mode: before?.mode ?? 0o644, ...(before ? { owner: before } : {}) });
      const now = await stat(file).catch(ifMissing);
      if (now?.ino !== before?.ino || now?.mtimeMs !== before?.mtimeMs || now?.size !== before?.size) continue;
      await rename(draft, file);
      return;
    } catch (error) {
      if (errnoOf(error) !== "EBUSY") throw error;
      return await write(file, next, { flags: "r+", mode: 0o644 });
    } finally {
      await rm(draft, { force: true });
    }
  }
  throw new Error("somebody else is writing it");
}

async function write(
  path: string,
  text: string,
  { flags, mode, owner }: { flags: string; mode: number; owner?: { uid: number; gid: number } },
): Promise<void> {
  const file = await open(path, flags, mode);
  try {
    const bytes = Buffer.from(text, "latin1");
    await file.write(bytes, 0, bytes.length, 0);
    await file.truncate(bytes.length);
    if (owner) await file.chown(owner.uid, owner.gid);
    if (owner) await file.chmod(mode & 0o7777);
    await file.datasync();
  } finally {
    await file.close();
  }
}

function ifMissing(error: unknown): undefined {
  if (errnoOf(error) !== "ENOENT") throw error;
}
