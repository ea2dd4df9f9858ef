import type { Progress } from "../../../api/backend.ts";
import { BerthError } from "../../../spec/errors.ts";
import { familiarName, familiarString, parseReference, withDefaultTag } from "../../../spec/reference.ts";
import type { EngineContext } from "../../context.ts";
import { emitImage } from "../users.ts";
import { recipeFor } from "./recipes.ts";
import { openWorkshop } from "./workshop.ts";

/** What a bootstrap is asked for. */
export interface BootstrapOptions {
  /** What to make, as in `alpine:3.20`, where the image's name does not say it. */
  from?: string;
  /** A mirror's URL in place of the distribution's own. */
  mirror?: string;
  /** Further packages. */
  include: string[];
  /** Public keys in place of those that this host has for the distribution; `data` in base64. */
  keys?: { name: string; data: string }[];
  signal: AbortSignal;
}

/**
 * Makes a base image without a registry, from a distribution's signed mirror or this host's busybox. Yields what its maker says as it comes; the image appears
 * whole at the end or not at all.
 */
export async function* bootstrapImage(
  ctx: EngineContext,
  reference: string,
  options: BootstrapOptions,
): AsyncGenerator<Progress> {
  const tagged = imageName(reference);
  const keys = (options.keys ?? []).map(({ name, data }) => ({ name, data: Buffer.from(data, "base64") }));
  const { recipe, request } = recipeFor(options.from ?? reference, { ...options, keys });
  const make = await recipe.prepare(request);
  await using shop = await openWorkshop(ctx, options.signal);
  const work = ctx.images.importTar(shop.bytes(make), {
    reference: tagged,
    message: `berth bootstrap ${tagged}`,
    run: recipe.run,
  });
  const ended = work.then(
    () => undefined,
    () => undefined,
  );
  try {
    for await (const line of shop.lines) yield { stream: `${line}\n` };
    await ended;
  } finally {
    shop.stop();
    await ended;
  }
  const id = await work;
  emitImage(ctx, "import", { id, name: tagged });
  yield { stream: `Successfully bootstrapped ${id}\nSuccessfully tagged ${tagged}\n`, aux: { ID: id } };
}

function imageName(reference: string): string {
  const parsed = withDefaultTag(parseReference(reference));
  if (familiarName(parsed) === "scratch") {
    throw new BerthError("invalid-argument", "bootstrap: 'scratch' is a reserved name", {
      hint: "FROM scratch needs no image; for an empty one under another name: berth bootstrap --from scratch NAME",
    });
  }
  return familiarString(parsed);
}
