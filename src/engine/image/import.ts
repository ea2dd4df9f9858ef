import type { Progress } from "../../api/backend.ts";
import { applyChanges } from "../../build/changes.ts";
import { BerthError, messageOf } from "../../spec/errors.ts";
import type { EngineContext } from "../context.ts";
import { emitImage } from "./users.ts";

/** Where an import's tar comes from. */
export type ImportSource = { url: string } | { tar: AsyncIterable<Uint8Array> };

/** Makes a one-layer image of a root file system tar. Yields Docker's messages; the last is the image's id. Throws before any of them for a bad change or URL. */
export async function* importImage(
  ctx: EngineContext,
  source: ImportSource,
  options: { repo?: string; tag?: string; message?: string; changes: string[]; platform?: string },
): AsyncGenerator<Progress> {
  const run = applyChanges({}, options.changes);
  const reference = options.repo ? (options.tag ? `${options.repo}:${options.tag}` : options.repo) : undefined;
  if ("url" in source) yield { status: `Downloading from ${source.url}` };
  const tar = "url" in source ? await fetchTar(source.url) : source.tar;
  const id = await ctx.images.importTar(tar, {
    run,
    ...(reference ? { reference } : {}),
    ...(options.message ? { message: options.message } : {}),
    ...(options.platform ? { platform: options.platform } : {}),
  });
  // What came through a pipe is nowhere else.
  await ctx.images.settle();
  emitImage(ctx, "import", { id, name: reference ?? id });
  yield { status: id };
}

async function fetchTar(url: string): Promise<AsyncIterable<Uint8Array>> {
  if (!/^https?:\/\//.test(url))
    throw new BerthError("invalid-argument", `import from "${url}": want an http or https URL`);
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new BerthError("unavailable", `${url}: ${messageOf(error)}`, {
      hint: "check the address and this host's network",
    });
  }
  if (!response.ok || !response.body) throw new BerthError("not-found", `${url}: HTTP status ${response.status}`);
  return response.body as ReadableStream<Uint8Array> & AsyncIterable<Uint8Array>;
}
