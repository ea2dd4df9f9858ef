import { familiarString, parseReference, withDefaultTag } from "../spec/reference.ts";
import type { Context } from "./context.ts";
import { imageAuth } from "./credentials/credentials.ts";
import { showProgress } from "./progress.ts";

/** Asks the engine to pull an image, with stored credentials if there are any, and shows what it says. */
export async function pullImage(
  ctx: Context,
  name: string,
  options: { platform?: string; quiet?: boolean; to?: "out" | "err"; allTags?: boolean },
): Promise<string> {
  const ref = withDefaultTag(parseReference(name));
  const full = familiarString(ref);
  const fromImage = familiarString({ domain: ref.domain, path: ref.path });
  const auth = await imageAuth(ctx, ref);
  const query = {
    fromImage,
    tag: options.allTags ? undefined : (ref.digest ?? ref.tag),
    platform: options.platform || undefined,
  };
  const lines = ctx.engine.images.create(query, auth ? { auth } : {});
  await showProgress(ctx, lines, { to: options.to ?? "out", quiet: options.quiet ?? false });
  return full;
}
