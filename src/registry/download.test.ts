import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { digestOf } from "../spec/digest.ts";
import { parseReference } from "../spec/reference.ts";
import { openRegistryClient } from "./client.ts";
import type { RetryOptions } from "./retry.ts";
import type { BlobOptions } from "./types.ts";

// Blobs over networks that cut, stall and trickle, and from registries that say one thing and send another.

const BLOB = Buffer.alloc(400_000, "0123456789abcdef-");
const DIGEST = digestOf(BLOB);
const QUICK: RetryOptions = { attempts: 3, waitMs: 1, stallMs: 30_000 };

type Answer = (response: ServerResponse, request: IncomingMessage) => void;
let server: Server;
let host = "";
/** How each request for the blob is answered, in turn; the last goes on. */
let script: Answer[] = [];
let ranges: (string | undefined)[] = [];
let ifRanges: (string | undefined)[] = [];
let hungUp = 0;

beforeEach(async () => {
  [script, ranges, ifRanges, hungUp, armed] = [[], [], [], 0, undefined];
  server = createServer((request, response) => {
    if (request.url === "/v2/") return void response.end("{}");
    ranges.push(request.headers.range);
    ifRanges.push(request.headers["if-range"] as string | undefined);
    response.on("close", () => (hungUp += response.writableFinished ? 0 : 1));
    const answer = script.length > 1 ? script.shift() : script[0];
    answer?.(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

let armed: { at: number; cut: () => void } | undefined;
/** Cuts when the reader has all of it: what is on its way may be lost with a connection. */
function cutWhenRead(at: number, response: ServerResponse, part: Buffer): void {
  armed = { at, cut: () => response.destroy() };
  response.write(part);
}

const from = ({ headers }: IncomingMessage): number => Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
/** The head of an answer with all that was asked for. Returns those bytes. */
function head(response: ServerResponse, request: IncomingMessage, more: Record<string, string> = {}): Buffer {
  const at = from(request);
  const part = BLOB.subarray(at);
  const range = at > 0 ? { "Content-Range": `bytes ${at}-${BLOB.length - 1}/${BLOB.length}` } : {};
  response.writeHead(at > 0 ? 206 : 200, { "Content-Length": part.length, ...range, ...more });
  return part;
}
const good: Answer = (r, q) => void r.end(head(r, q));
const whole: Answer = (r) => void r.writeHead(200, { "Content-Length": BLOB.length }).end(BLOB);
const cutAfter =
  (bytes: number, more: Record<string, string> = {}): Answer =>
  (r, q) =>
    void cutWhenRead(from(q) + bytes, r, head(r, q, more).subarray(0, bytes));
const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (r) =>
    void r.writeHead(code, headers).end();
/** Sends a part, then nothing more. */
const stallAfter =
  (bytes: number): Answer =>
  (r, q) =>
    void r.write(head(r, q).subarray(0, bytes));
const hang: Answer = () => undefined;

async function download(options: BlobOptions = {}, retry: Partial<RetryOptions> = {}): Promise<Buffer> {
  const client = openRegistryClient({
    ...{ mirrors: [], insecure: [], certsDirs: [], userAgent: "test" },
    retry: { ...QUICK, ...retry },
  });
  const repository = client.repository(parseReference(`${host}/app:1`), {});
  const onWait = (): void => undefined;
  const parts: Uint8Array[] = [];
  let at = options.from ?? 0;
  for await (const part of await repository.blob(DIGEST, { size: BLOB.length, onWait, ...options })) {
    parts.push(part);
    at += part.byteLength;
    if (armed && at >= armed.at) armed.cut();
  }
  return Buffer.concat(parts);
}

const failure = (options: BlobOptions = {}, retry: Partial<RetryOptions> = {}): Promise<string> =>
  download(options, retry).then(
    () => "none",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

describe("a connection that fails", () => {
  test("in the middle: the next one goes on where it ended, with the ETag that was seen", async () => {
    script = [cutAfter(100_000, { ETag: '"v1"' }), cutAfter(50_000), good];
    expect((await download()).equals(BLOB)).toBe(true);
    expect(ranges.length).toBe(3);
    expect(ranges[0]).toBeUndefined();
    expect(ranges).toEqual([undefined, "bytes=100000-", "bytes=150000-"]);
    expect(ifRanges).toEqual([undefined, '"v1"', undefined]);
  });

  test("a weak ETag proves nothing, and is not sent", async () => {
    script = [cutAfter(100_000, { ETag: 'W/"v1"' }), good];
    expect((await download()).equals(BLOB)).toBe(true);
    expect(ifRanges).toEqual([undefined, undefined]);
  });

  test("a server that gives the whole blob again: what was there is read past", async () => {
    script = [cutAfter(100_000), whole];
    expect((await download()).equals(BLOB)).toBe(true);
  });

  test.each([
    ["a range that was not asked for", { "Content-Range": `bytes 5-${BLOB.length - 1}/${BLOB.length}` }, 206],
    ["a range that is none", { "Content-Range": "bytes */*" }, 206],
    ["a range without its header", {}, 206],
    ["416", {}, 416],
  ])("a server that answers %s is asked for the whole", async (_, headers, code) => {
    script = [cutAfter(100_000), (r) => void r.writeHead(code, headers).end(BLOB.subarray(5)), whole];
    expect((await download()).equals(BLOB)).toBe(true);
    expect(ranges.at(-1)).toBeUndefined();
  });

  test("more often than is waited for, but with progress between: all comes", async () => {
    script = [cutAfter(40_000)];
    expect((await download()).equals(BLOB)).toBe(true);
    expect(ranges.length).toBeGreaterThan(QUICK.attempts + 2);
  });

  test("always at the same place: an end after some attempts, and words that name the registry", async () => {
    script = [cutAfter(20_000), (r) => void r.destroy()];
    expect(await failure()).toMatch(
      new RegExp(`${host}/v2/app/blobs/${DIGEST}": the connection was closed .*tried 4 times.*pull again`),
    );
    expect(ranges.length).toBeLessThan(8);
  });

  test("which brings a byte a time is no progress", async () => {
    script = [cutAfter(1)];
    expect(await failure()).toContain("tried 4 times");
  });

  test("with nobody listening: the first contact is not tried again, a later one is", async () => {
    script = [
      (r, q) => {
        cutAfter(100_000)(r, q);
        server.close();
        server.closeIdleConnections();
      },
    ];
    const waits: number[] = [];
    expect(await failure({ onWait: (n) => waits.push(n) })).toMatch(/refused|closed/);
    expect(waits.length).toBeGreaterThanOrEqual(QUICK.attempts);
    waits.length = 0;
    expect(await failure({ onWait: (n) => waits.push(n) })).toContain("connection refused");
    expect(waits).toEqual([]);
  });
});

describe("a connection that stands still", () => {
  test("is given up on, and gone on with by another", async () => {
    script = [stallAfter(100_000), good];
    expect((await download({}, { stallMs: 100 })).equals(BLOB)).toBe(true);
    expect(ranges.length).toBe(2);
    expect(hungUp).toBe(1);
  });

  test("before the answer's head: as well", async () => {
    script = [hang, good];
    expect((await download({}, { stallMs: 50 })).equals(BLOB)).toBe(true);
  });

  test("or gives a byte now and then: as well", async () => {
    const trickle: Answer = (r, q) => {
      const part = head(r, q);
      let at = 0;
      const timer = setInterval(() => r.write(part.subarray(at, ++at)), 20);
      r.on("close", () => clearInterval(timer));
    };
    script = [trickle, good];
    expect((await download({}, { stallMs: 200 })).equals(BLOB)).toBe(true);
    expect(ranges.length).toBe(2);
  });

  test("always: an error that says so", async () => {
    script = [stallAfter(0)];
    expect(await failure({}, { stallMs: 30, attempts: 1 })).toContain("stood still");
  });

  test("on the reader's side costs nothing", async () => {
    script = [good];
    const client = openRegistryClient({
      ...{ mirrors: [], insecure: [], certsDirs: [], userAgent: "test" },
      retry: { ...QUICK, stallMs: 60 },
    });
    const repository = client.repository(parseReference(`${host}/app:1`), {});
    let size = 0;
    for await (const part of await repository.blob(DIGEST, { size: BLOB.length })) {
      if (size === 0) await Bun.sleep(150);
      size += part.byteLength;
    }
    expect([size, ranges.length]).toEqual([BLOB.length, 1]);
  });
});

describe("a registry that is not well", () => {
  test.each([500, 502, 503, 504, 429, 408])("status %d is waited out", async (code) => {
    script = [status(code), cutAfter(100_000), status(code), good];
    expect((await download()).equals(BLOB)).toBe(true);
  });

  test.each([404, 403, 400])("status %d is not", async (code) => {
    script = [status(code)];
    await failure();
    expect(ranges.length).toBe(1);
  });

  test("Retry-After is heeded, each second of the wait is told; one that is too long is an error at once", async () => {
    const waits: number[] = [];
    script = [status(429, { "Retry-After": "2" }), good];
    await download({ onWait: (n) => waits.push(n) });
    expect(waits).toEqual([2, 1]);
    const now = new Date();
    const later = new Date(now.getTime() + 600_000);
    for (const value of ["86400", later.toUTCString()]) {
      script = [status(429, { "Retry-After": value, Date: now.toUTCString() })];
      expect(await failure()).toMatch(/toomanyrequests.*pause of \d+ s/);
    }
  });

  test("a wait ends at once when nobody wants the blob any more", async () => {
    script = [status(503, { "Retry-After": "60" })];
    const leaving = new AbortController();
    const words = await failure({ signal: leaving.signal, onWait: () => leaving.abort() });
    expect(words).toContain("aborted");
  });
});

describe("a registry that lies about a blob's length", () => {
  test.each([
    ["more", BLOB.length + 7, /sends more than/],
    ["less", BLOB.length - 7, /has fewer than/],
  ])("%s: refused before a byte is read", async (_, length, words) => {
    script = [(r) => void r.writeHead(200, { "Content-Length": length }).flushHeaders()];
    expect(await failure()).toMatch(words);
    script = [(r) => void r.writeHead(206, { "Content-Range": `bytes 10-20/${length}` }).end("01234567890")];
    expect(await failure({ from: 10 })).toMatch(words);
  });

  test("less, without telling: tried again, then an error that says how far it came", async () => {
    script = [(r) => void r.writeHead(200).end(BLOB.subarray(0, 50_000))];
    expect(await failure()).toContain("ended after 50000 of 400000 bytes");
  });
});

test("from its middle, and from its end, which needs no request", async () => {
  script = [good];
  expect((await download({ from: 1000 })).equals(BLOB.subarray(1000))).toBe(true);
  expect(ranges).toEqual(["bytes=1000-"]);
  expect((await download({ from: BLOB.length })).length).toBe(0);
  expect(ranges.length).toBe(1);
});

test("an answer that is given in pieces of ranges is put together", async () => {
  script = [
    (r, q) => {
      const at = from(q);
      const part = BLOB.subarray(at, at + 100_000);
      const end = at + part.length - 1;
      r.writeHead(206, { "Content-Range": `bytes ${at}-${end}/${BLOB.length}`, "Content-Length": part.length });
      r.end(part);
    },
  ];
  expect((await download({ from: 1 })).equals(BLOB.subarray(1))).toBe(true);
});

test.each([
  [1, "tried once"],
  [2, "tried 2 times"],
  [4, "tried 4 times"],
])("so many attempts as the settings say: %d", async (attempts, words) => {
  script = [status(503)];
  const client = openRegistryClient({
    ...{ mirrors: [], insecure: [], certsDirs: [], userAgent: "test" },
    ...{ retry: { ...QUICK, attempts: 9 }, transfers: { attempts } },
  });
  const repository = client.repository(parseReference(`${host}/a:1`), { onWait: () => undefined });
  await expect(repository.blob(DIGEST, { size: BLOB.length, onWait: () => undefined })).rejects.toThrow(words);
  expect(ranges).toHaveLength(attempts);
});
