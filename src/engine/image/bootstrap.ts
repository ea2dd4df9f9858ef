import type { Progress } from "../../api/backend.ts";
import { BerthError } from "../../spec/errors.ts";
import type { ImageRunConfig } from "../../spec/oci.ts";
import { familiarName, familiarString, parseReference } from "../../spec/reference.ts";
import { DEFAULT_PATH } from "../container/config.ts";
import type { EngineContext } from "../context.ts";
import { busyboxTar } from "./busybox.ts";
import { DISTRIBUTIONS, debootstrapTar } from "./distribution.ts";
import type { ProgressTar } from "./progress-tar.ts";
import { emitImage } from "./users.ts";

/** What a bootstrap is asked for. */
export interface BootstrapOptions {
  /** A mirror's URL in place of the host's own. */
  mirror?: string;
  /** Further packages. */
  include: string[];
  signal: AbortSignal;
}

/**
 * Makes a base image without a registry: `debian:bookworm`, `ubuntu:noble` from the distribution's signed mirror, `busybox` from this host's static
 * program. Yields mmdebstrap's lines as they come; the image appears whole at the end or not at all.
 */
export async function* bootstrapImage(
  ctx: EngineContext,
  reference: string,
  options: BootstrapOptions,
): AsyncGenerator<Progress> {
  const parsed = parseReference(reference);
  const name = familiarName(parsed);
  const tagged = familiarString({ ...parsed, tag: parsed.tag ?? "latest" });
  const { tar, run } = sourceFor(ctx, { name, tag: parsed.tag }, options);
  // A stream that fails must fail the import before its end: then nothing is left of it.
  const importing = ctx.images.importTar(tar.bytes, { reference: tagged, message: `berth bootstrap ${tagged}`, run });
  const settled = importing.then(
    () => tar.finish(),
    () => tar.finish(),
  );
  try {
    for await (const line of tar.lines) yield { stream: `${line}\n` };
  } finally {
    if (options.signal.aborted) await tar.cancel();
    await settled;
  }
  const id = await importing;
  emitImage(ctx, "import", { id, name: tagged });
  yield { stream: `Successfully bootstrapped ${id}\nSuccessfully tagged ${tagged}\n`, aux: { ID: id } };
}

function sourceFor(
  ctx: EngineContext,
  wanted: { name: string; tag: string | undefined },
  options: BootstrapOptions,
): { tar: ProgressTar; run: ImageRunConfig } {
  const path = { Env: [`PATH=${DEFAULT_PATH}`] };
  if (wanted.name === "busybox") return { tar: busyboxTar(), run: { ...path, Cmd: ["sh"] } };
  const distribution = DISTRIBUTIONS[wanted.name];
  if (!distribution) {
    throw new BerthError("invalid-argument", `bootstrap: no recipe for "${wanted.name}"`, {
      hint: `known are ${["busybox", ...Object.keys(DISTRIBUTIONS)].map((n) => `${n}`).join(", ")}; for others use 'berth import' or 'berth load'`,
    });
  }
  const tar = debootstrapTar(ctx, { distribution, tag: wanted.tag ?? "latest" }, options);
  return { tar, run: { ...path, Cmd: ["bash"], Labels: { "org.opencontainers.image.title": wanted.name } } };
}
