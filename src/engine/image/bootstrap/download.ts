import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type FetchAnswer, httpFetch } from "../../../host/fetch.ts";
import { BerthError, errnoOf, fromErrno, messageOf } from "../../../spec/errors.ts";
import type { Workshop } from "./recipe.ts";

const MAX_REDIRECTS = 5;
const TRIES = 3;
const IDLE_MS = 60_000;

/** What is to be had, and how much of it. More bytes than `limit` throw. */
export interface Download {
  /** http, https or file. */
  url: string;
  limit: number;
}

/** A mirror's file in memory. Undefined: the mirror has no such file. Throws `unavailable`, with the URL, where it cannot be had after three tries. */
export async function downloadBytes(shop: Workshop, what: Download): Promise<Buffer | undefined> {
  return tried(shop, what, async () => {
    const parts: Uint8Array[] = [];
    for await (const part of body(shop, what)) parts.push(part);
    return Buffer.concat(parts);
  });
}

/** A mirror's file, written to `path`, which is made anew. Otherwise as `downloadBytes`; false where the mirror has no such file. */
export async function downloadFile(shop: Workshop, what: Download, path: string): Promise<boolean> {
  const done = await tried(shop, what, async () => {
    await using file = await open(path, "w");
    for await (const part of body(shop, what)) {
      for (let at = 0; at < part.length; ) at += (await file.write(part, at)).bytesWritten;
    }
    return true;
  });
  return done ?? false;
}

/** There is no such file. */
class Missing extends Error {}

async function tried<T>(shop: Workshop, { url }: Download, once: () => Promise<T>): Promise<T | undefined> {
  for (let left = TRIES - 1; ; left--) {
    try {
      return await once();
    } catch (error) {
      shop.signal.throwIfAborted();
      if (error instanceof Missing) return undefined;
      if (error instanceof BerthError) throw error;
      if (["ENOSPC", "EDQUOT"].includes(errnoOf(error) ?? "")) throw fromErrno(error, "bootstrap");
      const why = `${url}: ${messageOf(error)}`;
      if (left === 0 || url.startsWith("file:")) {
        throw new BerthError("unavailable", why, {
          hint: "check the address and this host's network, or name another mirror with --mirror",
          cause: error,
        });
      }
      shop.say(`W: ${why}; trying again`);
    }
  }
}

async function* body(shop: Workshop, { url, limit }: Download): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const part of url.startsWith("file:") ? local(url) : remote(shop, url)) {
    size += part.length;
    if (size > limit) throw new BerthError("unavailable", `${url}: it has more than ${limit} bytes`);
    yield part;
  }
}

async function* local(url: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(fileURLToPath(url), { highWaterMark: 256 * 1024 });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") throw new Missing();
    throw error;
  }
}

/** Ends a transfer that stands still. */
async function* remote(shop: Workshop, url: string): AsyncGenerator<Uint8Array> {
  const idle = new AbortController();
  const timer = setTimeout(() => idle.abort(), IDLE_MS);
  try {
    const answer = await follow(url, AbortSignal.any([shop.signal, idle.signal]));
    const length = answer.header("content-length");
    let size = 0;
    for await (const part of answer.body()) {
      timer.refresh();
      size += part.length;
      yield part;
    }
    if (length !== undefined && size !== Number(length)) throw new Error("the answer was cut short");
  } catch (error) {
    if (idle.signal.aborted) throw new Error(`nothing came for ${IDLE_MS / 1000} s`);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function follow(start: string, signal: AbortSignal): Promise<FetchAnswer> {
  let url = start;
  for (let left = MAX_REDIRECTS; ; left--) {
    const answer = await httpFetch(url, { method: "GET", signal });
    const location = answer.status >= 300 && answer.status < 400 ? answer.header("location") : undefined;
    if (location === undefined) {
      if (answer.status === 404 || answer.status === 410) throw new Missing();
      if (answer.status !== 200) throw new Error(`HTTP status ${answer.status}`);
      return answer;
    }
    const next = new URL(location, url);
    if (left === 0 || !/^https?:$/.test(next.protocol)) throw new Error(`it leads to ${next.href.slice(0, 200)}`);
    url = next.href;
  }
}
