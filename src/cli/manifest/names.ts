import { messageOf } from "../../spec/errors.ts";
import { parseReference, type Reference, withDefaultTag } from "../../spec/reference.ts";
import { ExitError } from "../exit.ts";

/** An image's name, with its default tag. */
export function parseName(text: string, what = ""): Reference {
  try {
    return withDefaultTag(parseReference(text));
  } catch (error) {
    throw new ExitError(1, `${what}${messageOf(error)}`);
  }
}

/** A list's name. */
export function parseList(text: string, where = ""): Reference {
  return parseName(text, `${where}error parsing name for manifest list ${text}: `);
}
