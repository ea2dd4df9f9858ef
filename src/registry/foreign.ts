import type { FetchAnswer } from "../host/fetch.ts";
import { BerthError, messageOf } from "../spec/errors.ts";
import { unreachable } from "./failure.ts";
import { guardedFetch } from "./guard.ts";
import { refuseDowngrade, refuseInward } from "./inward.ts";
import { markTransient } from "./retry.ts";

const MAX_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];
/** More addresses for one blob are not tried. */
const MAX_URLS = 8;

/**
 * Asks for a blob at the addresses that a manifest names beside the registry (OCI image-spec, descriptor.md, "urls"), one after the other; never with a token, nor at an address of
 * this machine. Gives 200, 206 and 416; throws the last one's failure.
 */
export async function askForeign(
  urls: readonly string[],
  request: { headers: Record<string, string>; signal?: AbortSignal | undefined; stallMs: number; from: string },
): Promise<FetchAnswer> {
  let failed: unknown = new BerthError("not-found", "a layer that is kept elsewhere, but names no address");
  for (const url of urls.slice(0, MAX_URLS)) {
    try {
      return await ask(checked(url), request);
    } catch (error) {
      if (request.signal?.aborted) throw error;
      failed = error;
    }
  }
  throw failed;
}

function checked(text: string): string {
  try {
    const url = new URL(text);
    if ((url.protocol === "http:" || url.protocol === "https:") && !url.username && !url.password) return url.href;
  } catch (error) {
    throw new BerthError("invalid-argument", `a layer's address is none: ${messageOf(error)}`);
  }
  throw new BerthError("invalid-argument", `a layer's address is not asked: ${JSON.stringify(text.slice(0, 100))}`, {
    hint: "only http and https, without a password",
  });
}

async function ask(
  first: string,
  { headers, signal, stallMs, from }: Parameters<typeof askForeign>[1],
): Promise<FetchAnswer> {
  let url = first;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    await refuseInward(url, from);
    const answer = await guardedFetch(url, { method: "GET", headers, ...(signal ? { signal } : {}) }, stallMs).catch(
      (error: unknown) => {
        throw signal?.aborted ? error : unreachable(error, { method: "GET", url });
      },
    );
    if ([200, 206, 416].includes(answer.status)) return answer;
    const location = answer.header("location");
    if (!REDIRECTS.includes(answer.status) || !location) {
      const words = `a layer that is kept elsewhere: ${new URL(url).host} answered ${answer.status}`;
      throw markTransient(new BerthError("not-found", words), { answer });
    }
    const next = new URL(location, url).href;
    refuseDowngrade(next, url);
    url = next;
  }
  throw new BerthError("internal", `a layer that is kept elsewhere: too many redirects from ${new URL(first).host}`);
}
