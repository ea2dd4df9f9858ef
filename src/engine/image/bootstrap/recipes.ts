import { BerthError } from "../../../spec/errors.ts";
import { familiarName, parseReference } from "../../../spec/reference.ts";
import { alpine } from "./alpine.ts";
import { busybox } from "./busybox.ts";
import { debian, ubuntu } from "./debian.ts";
import { almalinux, fedora, rocky } from "./fedora.ts";
import { checkMirror } from "./mirror.ts";
import type { KeyFile, Recipe, RecipeRequest } from "./recipe.ts";
import { scratch } from "./scratch.ts";

/** All that can be made without a registry. */
export const RECIPES: readonly Recipe[] = [scratch, busybox, debian, ubuntu, alpine, fedora, rocky, almalinux];

/**
 * The recipe that a name such as `debian:bookworm` asks for, and the request to it. Throws `invalid-argument` for a name without a recipe, for what the
 * recipe does not take, and for a mirror that is no URL.
 */
export function recipeFor(
  reference: string,
  options: { mirror?: string; include: string[]; keys: KeyFile[] },
): { recipe: Recipe; request: RecipeRequest } {
  const parsed = parseReference(reference);
  const name = familiarName(parsed);
  const recipe = RECIPES.find((r) => r.name === name);
  if (!recipe) {
    throw new BerthError("invalid-argument", `bootstrap: no recipe for "${name}"`, {
      hint: `known are ${RECIPES.map((r) => r.name).join(", ")}; another name for one of them: --from; for others use 'berth import' or 'berth load'`,
    });
  }
  const given = {
    mirror: options.mirror !== undefined,
    include: options.include.length > 0,
    key: options.keys.length > 0,
  };
  for (const [option, isGiven] of Object.entries(given)) {
    if (!isGiven || recipe.takes.some((o) => o === option)) continue;
    throw new BerthError("invalid-argument", `bootstrap: ${name} takes no --${option}`);
  }
  const mirror = options.mirror === undefined ? {} : { mirror: checkMirror(options.mirror) };
  return {
    recipe,
    request: { tag: parsed.tag, include: options.include.map(checkPackage), keys: options.keys, ...mirror },
  };
}

/** A package's name as any distribution may have it, with a version where it takes one: nothing that a program would read as an option or as two names. */
function checkPackage(name: string): string {
  if (/^[A-Za-z0-9][\w.+:~=<>-]*$/.test(name)) return name;
  throw new BerthError("invalid-argument", `bootstrap: ${JSON.stringify(name)} is no package name`);
}
