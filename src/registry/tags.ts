import type { FetchAnswer } from "../host/fetch.ts";
import { BerthError } from "../spec/errors.ts";
import { TAG } from "../spec/reference.ts";

/** Bytes of one page, pages, and tags of one repository: more than any registry has. */
const MAX_PAGE = 16 * 1024 * 1024;
const MAX_PAGES = 1000;
const MAX_TAGS = 1_000_000;

/**
 * All tags over all pages (OCI distribution-spec, "Listing Tags"), in the order in which they come, each once. What is no tag is left out: nobody could ask for
 * it. `ask` gets a page and throws for all answers but 200. Throws `invalid-argument` where the list does not end.
 */
export async function listTags(first: string, ask: (path: string) => Promise<FetchAnswer>): Promise<string[]> {
  const tags = new Set<string>();
  const asked = new Set<string>();
  for (let path: string | undefined = first; path !== undefined; ) {
    asked.add(path);
    const answer: FetchAnswer = await ask(path);
    for (const tag of parsePage(await answer.bytes(MAX_PAGE).catch(tooLarge))) tags.add(tag);
    path = nextPage(path, answer.header("link"));
    if (asked.size >= MAX_PAGES || tags.size > MAX_TAGS || (path !== undefined && asked.has(path))) {
      if (path === undefined) break;
      throw bad(`the registry's list of tags does not end: ${asked.size} pages, ${tags.size} tags so far`);
    }
  }
  return [...tags];
}

function parsePage(bytes: Buffer): string[] {
  let tags: unknown;
  try {
    tags = (JSON.parse(bytes.toString()) as { tags?: unknown } | null)?.tags ?? [];
  } catch {
    throw bad("the registry's list of tags is no JSON");
  }
  if (!Array.isArray(tags)) throw bad("the registry's list of tags is no list");
  return tags.filter((tag): tag is string => typeof tag === "string" && TAG.test(tag));
}

/** The path that the `Link` header names (RFC 8288), below the same host. */
function nextPage(path: string, link: string | undefined): string | undefined {
  const [, target] = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(link ?? "") ?? [];
  if (target === undefined) return undefined;
  const base = new URL(path, "https://same.invalid");
  let next: URL;
  try {
    next = new URL(target, base);
  } catch {
    throw bad("the registry's list of tags goes on at no address");
  }
  // Only the path counts: no registry makes us ask another host. A prefix before it is the endpoint's own.
  const [own] = /\/v2\/.*$/.exec(next.pathname) ?? [];
  if (own === undefined) throw bad("the registry's list of tags goes on outside of /v2/");
  return `${own}${next.search}`;
}

function tooLarge(error: unknown): never {
  if (error instanceof RangeError) throw bad(`a page of the registry's list of tags has more than ${MAX_PAGE} bytes`);
  throw error;
}

function bad(message: string): BerthError {
  return new BerthError("invalid-argument", message);
}
