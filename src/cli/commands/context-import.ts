import { lstatSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BerthError } from "../../spec/errors.ts";
import { command } from "../command.ts";
import { openInput } from "../files.ts";
import { storeOf } from "../hosts/edit.ts";
import { checkContextName, parseMeta, TLS_FILES, type TlsFiles } from "../hosts/store.ts";

const MAX_FILE = 10 * 1024 * 1024;

/** `berth context import`: an archive that `export` made, under a name of its own. */
export default command({
  usage: "CONTEXT FILE|-",
  summary: "Import a context from a tar or zip file",
  args: [2, 2],
  flags: {},
  async run(ctx, { args: [name = "", file = ""] }) {
    checkContextName(name);
    const store = storeOf(ctx);
    if (store.has(name)) throw new BerthError("conflict", `context "${name}" already exists`);
    const folder = mkdtempSync(join(tmpdir(), "berth-context-"));
    try {
      await (await ctx.files()).unpackLocal(ended(openInput(ctx, file)), folder);
      const text = plainFile(join(folder, "meta.json"));
      if (text === undefined) throw new BerthError("invalid-argument", `${file}: no meta.json in the archive`);
      const tls: TlsFiles = {};
      for (const key of Object.keys(TLS_FILES) as (keyof TlsFiles)[]) {
        const found = plainFile(join(folder, "tls/docker", TLS_FILES[key]));
        if (found !== undefined) tls[key] = found;
      }
      store.write({ ...parseMeta(text), Name: name }, tls);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    ctx.io.out(`${name}\n`);
    ctx.io.err(`Successfully imported context "${name}"\n`);
    return 0;
  },
});

const BLOCK = 512;

/** Docker's archives end without padding and without the blocks of zeros that end an archive. */
async function* ended(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const part of tar) {
    size += part.length;
    yield part;
  }
  yield new Uint8Array(((BLOCK - (size % BLOCK)) % BLOCK) + 2 * BLOCK);
}

/** A file's text; links of an archive that came from elsewhere are not followed. */
function plainFile(path: string): string | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile()) return undefined;
  if (stat.size > MAX_FILE) throw new BerthError("invalid-argument", `${path}: too large for a context`);
  return readFileSync(path, "utf8");
}
