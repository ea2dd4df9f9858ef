import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { type BerthRegistry, berthRegistry } from "../../src/testing/berth-registry.ts";

// A registry as a process of its own: a full disk, memory under load, a thousand silent connections. BERTH_LARGE: megabytes of the large blob.

const LARGE = Number(process.env["BERTH_LARGE"] ?? 96) * 1024 * 1024;
const CLIENTS = 16;
const INDEX = "application/vnd.oci.image.index.v1+json";
const MANIFEST = 4 * 1024 * 1024;
setDefaultTimeout(Math.max(300_000, LARGE / 1000));
let folder = "";
let registry: BerthRegistry;
let host = "";
beforeEach(() => {
  folder = mkdtempSync("/var/tmp/berth-abuse.");
});
afterEach(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function start(flags: string[], wrap?: (argv: string[]) => string[]): Promise<void> {
  const inNet = wrap && { inNet: (...argv: string[]) => wrap(argv) };
  registry = await berthRegistry(inNet, "127.0.0.1:0", { folder, flags });
  host = /http:\/\/([^/\s]+)/.exec(registry.log.join("\n"))?.[1] ?? "";
}
const ask = (
  method: string,
  path: string,
  body?: Buffer | ReadableStream<Uint8Array>,
  headers: Record<string, string> = {},
): Promise<Response> =>
  fetch(path.startsWith("/") ? `http://${host}${path}` : `http://${host}/v2/${path}`, {
    method,
    headers,
    ...(body ? { body } : {}),
  });
const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
/** In megabytes. */
function memory(what: "VmRSS" | "VmHWM"): number {
  const [, kilobytes] =
    new RegExp(`${what}:\\s+(\\d+)`).exec(readFileSync(`/proc/${registry.pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kilobytes) / 1024);
}
const collected = async (): Promise<void> => {
  const before = registry.log.length;
  process.kill(registry.pid, "SIGUSR1");
  while (!registry.log.slice(before).some((line) => line.includes("collected")))
    await new Promise((next) => setImmediate(next));
};

test("a full disk: 507 in every way, nothing of it is left, and what fits goes on", async () => {
  const mounted = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"';
  const flags = ["--gc-every", "0", "--gc-grace", "0s", "--upload-timeout", "0s"];
  await start(flags, (argv) => [
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "sh",
    "-c",
    mounted,
    folder,
    ...argv,
  ]);
  const files = (): string[] =>
    readdirSync(`/proc/${registry.pid}/root${folder}/root/data`, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name);
  const refused = async (answer: Response): Promise<void> => {
    expect([answer.status, await answer.text()]).toEqual([507, expect.stringContaining("no space left")]);
  };
  const large = randomBytes(2_000_000);
  const query = `?digest=${digestOf(large)}`;
  const begin = async (): Promise<string> => (await ask("POST", "a/blobs/uploads/")).headers.get("location") ?? "";
  for (let round = 0; round < 3; round++) {
    await refused(await ask("POST", `a/blobs/uploads/${query}`, large));
    const patched = await begin();
    await refused(await ask("PATCH", patched, large));
    expect((await ask("GET", patched)).status).toBe(404);
    const put = await begin();
    await refused(await ask("PUT", put + query, large));
    expect((await ask("GET", put)).status).toBe(404);
    expect(files()).toEqual([]);
  }
  const small = randomBytes(1000);
  const path = `a/blobs/uploads/?digest=${digestOf(small)}`;
  expect((await ask("POST", path, small)).status).toBe(201);
  let last = 201;
  for (let i = 0; last === 201 && i < 1000; i++) {
    const bytes = randomBytes(20_000);
    last = (await ask("POST", `a/blobs/uploads/?digest=${digestOf(bytes)}`, bytes)).status;
  }
  expect(last).toBe(507);
  expect(await (await ask("GET", `a/blobs/${digestOf(small)}`)).arrayBuffer()).toHaveProperty("byteLength", 1000);
  // The way out of it: what nobody names is collected.
  await collected();
  expect(files()).toEqual([]);
  expect((await ask("POST", path, small)).status).toBe(201);
});

test(`${CLIENTS} clients push and pull a large blob at once: memory stays small`, async () => {
  await start([]);
  const idle = memory("VmRSS");
  const block = randomBytes(1024 * 1024);
  const stream = (size: number, seed: number): ReadableStream<Uint8Array> => {
    let sent = 0;
    return new ReadableStream({
      pull(controller) {
        if (sent >= size) return controller.close();
        const piece = Buffer.from(block);
        piece.writeUInt32BE(seed, 0);
        piece.writeUInt32BE(sent / piece.byteLength, 4);
        sent += piece.byteLength;
        controller.enqueue(piece);
      },
    });
  };
  const push = async (size: number, seed: number): Promise<string> => {
    const hash = createHash("sha256");
    for await (const piece of stream(size, seed)) hash.update(piece);
    const digest = `sha256:${hash.digest("hex")}`;
    const session = (await ask("POST", "a/blobs/uploads/")).headers.get("location") ?? "";
    expect((await ask("PATCH", session, stream(size, seed))).status).toBe(202);
    expect((await ask("PUT", `${session}?digest=${digest}`)).status).toBe(201);
    return digest;
  };
  const large = await push(LARGE, 1000);
  await Promise.all(Array.from({ length: CLIENTS }, (_, i) => push(LARGE / CLIENTS, i)));
  const pull = async (): Promise<void> => {
    const answer = await ask("GET", `a/blobs/${large}`);
    let size = 0;
    const hash = createHash("sha256");
    for await (const piece of answer.body as unknown as AsyncIterable<Uint8Array>) {
      size += piece.byteLength;
      if (LARGE <= 128 * 1024 * 1024) hash.update(piece);
    }
    expect(size).toBe(LARGE);
    if (LARGE <= 128 * 1024 * 1024) expect(`sha256:${hash.digest("hex")}`).toBe(large);
  };
  await Promise.all(Array.from({ length: CLIENTS }, pull));
  console.log(`memory of the registry: ${idle} MB idle, ${memory("VmHWM")} MB at most, ${memory("VmRSS")} MB now`);
  expect(memory("VmHWM")).toBeLessThan(250);
});

test("a thousand silent connections, half of them in the middle of a request: others are served, memory stays small", async () => {
  await start([]);
  const before = memory("VmRSS");
  const [name = "", port] = host.split(":");
  const sockets = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => {
      return new Promise<Socket>((resolve, reject) => {
        const socket = connect(Number(port), name, () => {
          if (i % 2) socket.write("PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\nX-Y: ");
          resolve(socket);
        });
        socket.once("error", reject);
      });
    }),
  );
  for (let i = 0; i < 50; i++) expect((await ask("GET", "")).status).toBe(200);
  expect(memory("VmRSS") - before).toBeLessThan(100);
  for (const socket of sockets) socket.on("error", () => undefined).destroy();
  const open = (): number => readdirSync(`/proc/${registry.pid}/fd`).length;
  while (open() > 200) expect((await ask("GET", "")).status).toBe(200);
});

test("a hundred clients that send manifests of 100 MB: each is refused, memory stays small", async () => {
  await start([]);
  const before = memory("VmRSS");
  const piece = Buffer.alloc(1024 * 1024, " ");
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => {
      let sent = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (sent++ === 100) return controller.close();
          controller.enqueue(piece);
        },
      });
      return ask("PUT", `a/manifests/t${i}`, body, { "Content-Type": "application/json" }).then(
        (answer) => answer.status,
        () => 413, // Cut off in the middle of its sending.
      );
    }),
  );
  for (const status of answers) expect(status).toBeOneOf([413, 503]);
  console.log(`memory of the registry: ${before} MB idle, ${memory("VmHWM")} MB at most`);
  expect(memory("VmHWM")).toBeLessThan(350);
  expect((await ask("GET", "")).status).toBe(200);
});

/** An index of so many bytes. */
const large = (i: number, size: number): Buffer =>
  Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [], annotations: { i: String(i) } }).padEnd(size),
  );

test("a hundred manifests of 4 MiB at once, half of them without their length: memory stays small, small ones go past", async () => {
  await start([]);
  const before = memory("VmRSS");
  const put = (tag: string, body: Buffer | ReadableStream<Uint8Array>): Promise<Response> =>
    ask("PUT", `a/manifests/${tag}`, body, { "Content-Type": INDEX });
  const all = Array.from({ length: 100 }, (_, i) => {
    const bytes = large(i, MANIFEST);
    return put(`t${i}`, i % 2 ? bytes : new Blob([bytes]).stream());
  });
  await Promise.race(all);
  expect((await put("small", large(0, 1000))).status).toBe(201);
  const answers = (await Promise.all(all)).map(({ status }) => status);
  expect(answers).toContain(201);
  // Where the disk is slow some have waited for too long.
  for (const status of answers) expect(status).toBeOneOf([201, 503]);
  console.log(`memory of the registry: ${before} MB idle, ${memory("VmHWM")} MB at most`);
  // What waits costs about a megabyte a connection, which the server reads ahead.
  expect(memory("VmHWM")).toBeLessThan(350);
});
