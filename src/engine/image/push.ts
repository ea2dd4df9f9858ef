import type { ImageBackend, Progress } from "../../api/backend.ts";
import { BerthError } from "../../spec/errors.ts";
import { parseReference } from "../../spec/reference.ts";
import type { EngineContext } from "../context.ts";
import { announce, credentialsOf } from "./pull.ts";

/** Pushes one tag, or all of the repository's; announced when all are there. */
export async function* pushImage(
  ctx: EngineContext,
  name: string,
  { tag, platform, auth, signal }: Parameters<ImageBackend["push"]>[1],
): AsyncGenerator<Progress> {
  const named = parseReference(name);
  if (named.digest) throw new BerthError("invalid-argument", "cannot push a digest reference");
  const ref = tag ? { ...named, tag } : named;
  for await (const line of ctx.images.push(ctx.registry, ref, {
    credentials: credentialsOf(auth),
    signal,
    ...(platform ? { platform } : {}),
  })) {
    yield { ...line };
    if (line.aux) {
      announce(ctx, "push", { ...ref, tag: line.aux.Tag });
    }
  }
}
