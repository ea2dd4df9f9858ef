import { closeSync, openSync, writeSync } from "node:fs";
import { BerthError, errnoOf, messageOf } from "../../spec/errors.ts";
import { type TarEntry, tarStream } from "../build/tar.ts";
import { command } from "../command.ts";
import { ExitError } from "../exit.ts";
import { type FullContext, fullContext } from "../hosts/edit.ts";
import { TLS_FILES, type TlsFiles } from "../hosts/store.ts";

/** `berth context export`: docker's archive, with the keys in it. */
export default command({
  usage: "[OPTIONS] CONTEXT [FILE|-]",
  summary: "Export a context to a tar archive FILE or a tar stream on STDOUT.",
  args: [1, 2],
  flags: {},
  async run(ctx, { args: [name = "", file = `${name}.dockercontext`] }) {
    const full = await fullContext(ctx, name);
    if (file === "-") {
      if (ctx.io.stdoutIsTerminal()) {
        throw new ExitError(1, "cowardly refusing to export to a terminal, specify a file path");
      }
      for await (const part of tarStream(entries(full))) ctx.io.out(part);
      return 0;
    }
    const fd = created(file);
    try {
      for await (const part of tarStream(entries(full))) writeSync(fd, part);
    } finally {
      closeSync(fd);
    }
    ctx.io.err(`Written file "${file}"\n`);
    return 0;
  },
});

/** Never over a file that is there; for its owner alone, as it may hold keys. */
function created(path: string): number {
  try {
    return openSync(path, "wx", 0o600);
  } catch (error) {
    const why = errnoOf(error) === "EEXIST" ? "file exists" : messageOf(error);
    throw new BerthError("conflict", `open ${path}: ${why}`);
  }
}

async function* entries({ meta, tls }: FullContext): AsyncGenerator<TarEntry> {
  const file = (name: string, text: string, mode: number): TarEntry => {
    const body = Buffer.from(text);
    return { name, type: "file", size: body.length, mode, mtime: 0, body: [body] };
  };
  const folder = (name: string): TarEntry => ({ name, type: "directory", size: 0, mode: 0o700, mtime: 0 });
  yield file("meta.json", JSON.stringify(meta), 0o644);
  yield folder("tls");
  if (Object.keys(tls).length > 0) yield folder("tls/docker");
  for (const key of Object.keys(TLS_FILES) as (keyof TlsFiles)[]) {
    const text = tls[key];
    if (text !== undefined) yield file(`tls/docker/${TLS_FILES[key]}`, text, 0o600);
  }
}
