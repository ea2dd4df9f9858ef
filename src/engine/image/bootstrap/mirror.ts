import { BerthError } from "../../../spec/errors.ts";

/**
 * A mirror as a person names it → its URL without a slash at its end. http, https and file are taken, and a plain absolute path. The URL is written
 * into the image, so one with a password is refused; so is one with what would end a word in a sources list.
 */
export function checkMirror(text: string): string {
  const bad = (why: string, hint?: string): BerthError =>
    new BerthError("invalid-argument", `bootstrap: the mirror ${why}`, hint ? { hint } : {});
  const given = text.startsWith("/") ? `file://${text}` : text;
  if (!URL.canParse(given)) throw bad("is no URL", "want http://…, https://… or file:///…");
  const url = new URL(given);
  if (!["http:", "https:", "file:"].includes(url.protocol)) {
    throw bad(`has the scheme ${url.protocol}`, "want http://…, https://… or file:///…");
  }
  if (url.username !== "" || url.password !== "") throw bad("has a password in its URL, which the image would show");
  if (url.search !== "" || url.hash !== "" || /[\s[\]'"\\`$<>]|%[01]/.test(given))
    throw bad("has what no mirror's URL has");
  return url.href.replace(/\/+$/, "");
}
