import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { digestOf } from "../spec/digest.ts";
import { parseReference } from "../spec/reference.ts";
import { openRegistryClient } from "./client.ts";
import type { RetryOptions } from "./retry.ts";
import type { Repository, UploadOptions } from "./types.ts";

// Uploads over networks that cut and stall, to registries that forget, refuse and let tokens run out.

const BLOB = Buffer.alloc(3_000_000, "what is sent, ");
const DIGEST = digestOf(BLOB);

type Fault = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;
let server: Server;
let host = "";
/** What the registry has of each upload, and of finished blobs. */
let sessions: Map<string, Buffer>;
let blobs: Map<string, Buffer>;
let manifests: Map<string, Buffer>;
let log: string[] = [];
/** Asked before each request is answered; true: it has answered itself. The first that does so is taken out. */
let faults: Fault[] = [];

beforeEach(async () => {
  [sessions, blobs, manifests, log, faults] = [new Map(), new Map(), new Map(), [], []];
  server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = "", url = "" } = request;
  const { pathname, searchParams } = new URL(url, "http://host");
  if (pathname === "/v2/") return void response.end("{}");
  const range = request.headers["content-range"];
  log.push(`${method} ${pathname.split("/").at(-2)}${range ? ` ${range}` : ""}`);
  for (const fault of [...faults]) {
    if (!(await fault(request, response))) continue;
    faults = faults.filter((other) => other !== fault);
    return;
  }
  const id = pathname.split("/").at(-1) ?? "";
  if (pathname.includes("/manifests/")) {
    manifests.set(id, await bodyOf(request));
    return void response.writeHead(201).end();
  }
  if (method === "HEAD") return void response.writeHead(blobs.has(id) ? 200 : 404).end();
  if (method === "POST") return accepted(response, open());
  const kept = sessions.get(id);
  if (!kept) return void response.writeHead(404).end('{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"lost"}]}');
  if (method === "PATCH") {
    if (range && Number(range.split("-")[0]) !== kept.length) return void response.writeHead(416).end();
    await take(request, id);
    return accepted(response, id);
  }
  if (method === "GET") return accepted(response, id, 204);
  sessions.delete(id);
  if (method === "DELETE") return void response.writeHead(204).end();
  const digest = searchParams.get("digest") ?? "";
  if (digestOf(kept) !== digest) return void response.writeHead(400).end('{"errors":[{"code":"DIGEST_INVALID"}]}');
  blobs.set(digest, kept);
  response.writeHead(201).end();
}

function open(): string {
  const id = `u${sessions.size}-${log.length}`;
  sessions.set(id, Buffer.alloc(0));
  return id;
}

function accepted(response: ServerResponse, id: string, status = 202): void {
  const size = sessions.get(id)?.length ?? 0;
  response.writeHead(status, { Location: `/v2/app/blobs/uploads/${id}`, Range: `0-${Math.max(0, size - 1)}` }).end();
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Keeps what comes, until the upload has `limit` bytes; the rest is left unread. */
function take(request: IncomingMessage, id: string, limit = Number.POSITIVE_INFINITY): Promise<void> {
  return new Promise((resolve) => {
    request.once("end", resolve).once("close", resolve).once("error", resolve);
    request.on("data", (part: Buffer) => {
      const kept = Buffer.concat([sessions.get(id) ?? Buffer.alloc(0), part]).subarray(0, limit);
      sessions.set(id, kept);
      if (kept.length < limit) return;
      request.pause().removeAllListeners("data");
      resolve();
    });
  });
}

const idOf = (request: IncomingMessage): string => (request.url ?? "").split("?")[0]?.split("/").at(-1) ?? "";
/** Takes so many bytes of the upload in all, then hangs up. */
const cutAt =
  (bytes: number): Fault =>
  async (request) => {
    if (request.method !== "PATCH") return false;
    await take(request, idOf(request), bytes);
    request.socket.destroy();
    return true;
  };
const statusFor =
  (method: string, status: number, before: (id: string) => void = () => undefined): Fault =>
  async (request, response) => {
    if (request.method !== method) return false;
    before(idOf(request));
    for await (const _ of request);
    response.writeHead(status).end("{}");
    return true;
  };

function repository(retry: Partial<RetryOptions> = {}): Repository {
  const client = openRegistryClient({
    ...{ mirrors: [], insecure: [], certsDirs: [], userAgent: "test" },
    retry: { attempts: 3, waitMs: 1, stallMs: 30_000, ...retry },
  });
  return client.repository(parseReference(`${host}/app:1`), { push: true, onWait: () => undefined });
}

async function* pieces(from: number): AsyncGenerator<Uint8Array> {
  for (let at = from; at < BLOB.length; at += 100_000) yield BLOB.subarray(at, at + 100_000);
}
const upload = (options: UploadOptions = {}, retry: Partial<RetryOptions> = {}): Promise<void> =>
  repository(retry).uploadBlob(DIGEST, pieces, { size: BLOB.length, ...options });
const arrived = (): boolean => blobs.get(DIGEST)?.equals(BLOB) ?? false;

test("a good one: three requests, progress to the end", async () => {
  const seen: number[] = [];
  await upload({ progress: (done) => seen.push(done) });
  expect(arrived()).toBe(true);
  expect(log).toEqual(["POST uploads", "PATCH uploads", "PUT uploads"]);
  expect(seen.at(-1)).toBe(BLOB.length);
  expect(seen.every((done, i) => done - (seen[i - 1] ?? 0) <= 128 * 1024)).toBe(true);
});

describe("a connection that fails", () => {
  test("in the middle: the registry is asked what it has, and gets the rest alone", async () => {
    faults = [cutAt(1_000_000), cutAt(2_500_000)];
    await upload();
    expect(arrived()).toBe(true);
    expect(log).toEqual([
      ...["POST uploads", "PATCH uploads", "GET uploads"],
      ...[`PATCH uploads 1000000-${BLOB.length - 1}`, "GET uploads"],
      ...[`PATCH uploads 2500000-${BLOB.length - 1}`, "PUT uploads"],
    ]);
  });

  test("more often than is waited for, but with progress between: all goes", async () => {
    faults = [1, 2, 3, 4, 5, 6].map((n) => cutAt(n * 200_000));
    await upload();
    expect(arrived()).toBe(true);
  });

  test("always: an end, and words that name the registry", async () => {
    faults = Array.from({ length: 20 }, () => cutAt(10));
    await expect(upload()).rejects.toThrow(new RegExp(`${host}/v2/app/blobs/uploads/.*tried 4 times`));
  });

  test("after the last byte, while the answer comes: the blob is there, nothing is sent again", async () => {
    faults = [
      (request, response) => {
        if (request.method !== "PUT") return false;
        blobs.set(DIGEST, sessions.get(idOf(request)) ?? Buffer.alloc(0));
        sessions.clear();
        response.destroy();
        return true;
      },
    ];
    await upload();
    expect(log.filter((line) => line.startsWith("PATCH"))).toHaveLength(1);
    expect(log.at(-1)).toStartWith("HEAD");
  });

  test("by standing still: it is given up on and gone on with", async () => {
    faults = [
      async (request) => {
        if (request.method !== "PATCH") return false;
        await take(request, idOf(request), 500_000);
        return true;
      },
    ];
    await upload({}, { stallMs: 100 });
    expect(arrived()).toBe(true);
    expect(log).toContain(`PATCH uploads 500000-${BLOB.length - 1}`);
  });

  test("ends a source that can be read only once", async () => {
    faults = [cutAt(1_000_000)];
    await expect(repository().uploadBlob(DIGEST, pieces(0))).rejects.toThrow();
    expect(log.filter((line) => line.startsWith("PATCH"))).toHaveLength(1);
  });

  test("before the first byte of such a source: it is sent by the next", async () => {
    faults = [statusFor("POST", 503)];
    await repository().uploadBlob(DIGEST, pieces(0));
    expect(arrived()).toBe(true);
  });
});

describe("a registry", () => {
  const forget = (id: string): void => void sessions.delete(id);
  test.each([
    ["that forgets the upload in its middle", [statusFor("PATCH", 404, forget)]],
    ["that forgets it at the end", [statusFor("PUT", 404, forget)]],
    ["that says it forgot it when it is asked", [cutAt(500_000), statusFor("GET", 404, forget)]],
    ["that does not tell how much it has", [cutAt(500_000), statusFor("GET", 204)]],
    ["that has nothing of it", [cutAt(0)]],
    ["that is down for a moment", [statusFor("PATCH", 503), statusFor("PUT", 502)]],
    ["whose token runs out in the middle", [cutAt(500_000), statusFor("PATCH", 401)]],
    ["that has another part than it says", [cutAt(500_000), statusFor("PATCH", 416)]],
  ] as [string, Fault[]][])("%s gets the whole blob", async (_, list) => {
    faults = list;
    await upload();
    expect(arrived()).toBe(true);
    expect(faults).toEqual([]);
  });

  test("that kept other bytes than were sent: all is sent once more, once", async () => {
    const spoil: Fault = (request) => {
      const id = idOf(request);
      const kept = sessions.get(id);
      if (request.method === "GET" && kept) sessions.set(id, Buffer.alloc(kept.length));
      return false;
    };
    faults = [cutAt(500_000), spoil];
    await upload();
    expect(arrived()).toBe(true);
    expect(log.filter((line) => line === "POST uploads")).toHaveLength(2);
    blobs.clear();
    await expect(repository().uploadBlob(digestOf(Buffer.from("x")), pieces, { size: BLOB.length })).rejects.toThrow(
      "digest invalid",
    );
  });

  test.each([
    [401, 2],
    [403, 1],
    [413, 1],
  ])("that answers %d to what is sent is asked %d times", async (status, times) => {
    faults = Array.from({ length: 9 }, () => statusFor("PATCH", status));
    await expect(upload()).rejects.toThrow();
    expect(log.filter((line) => line.startsWith("PATCH"))).toHaveLength(times);
  });
});

test("a manifest goes byte for byte, also where it is no text, and again when the registry was down", async () => {
  const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x7d]);
  faults = [statusFor("PUT", 503)];
  expect(await repository().putManifest("1", { mediaType: "x/y", bytes })).toBe(digestOf(bytes));
  expect(manifests.get("1")?.equals(bytes)).toBe(true);
});

test.each([
  ["that stands still", (request) => request.method === "PATCH"],
  ["that waits for its next attempt", statusFor("PATCH", 503)],
] as [string, Fault][])("ctrl-C ends an upload %s", async (_, fault) => {
  faults = [fault];
  const leaving = new AbortController();
  const client = openRegistryClient({
    ...{ mirrors: [], insecure: [], certsDirs: [], userAgent: "test" },
    retry: { waitMs: 60_000 },
  });
  const how = { push: true, signal: leaving.signal, onWait: () => leaving.abort() };
  const work = client.repository(parseReference(`${host}/app:1`), how).uploadBlob(DIGEST, pieces, {
    size: BLOB.length,
  });
  if (fault.length === 1) while (!log.some((line) => line.startsWith("PATCH"))) await new Promise(setImmediate);
  if (fault.length === 1) leaving.abort();
  await expect(work).rejects.toThrow("aborted");
});
