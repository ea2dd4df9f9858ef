// A registry before another one: what is asked goes on to it, but a big blob stops in its middle until the folder's file `go` is there.
// usage: bun stalling-registry.ts HOST:PORT UPSTREAM_HOST:PORT GO_FILE
import { existsSync, watch } from "node:fs";
import { dirname } from "node:path";

const [at = "", upstream = "", go = ""] = process.argv.slice(2);
const [hostname = "", port = ""] = at.split(":");
const BIG = 1_000_000;

async function gate(): Promise<void> {
  for await (const _ of changes()) if (existsSync(go)) return;
}

async function* changes(): AsyncGenerator<void> {
  yield;
  for (;;) yield await new Promise<void>((resolve) => watch(dirname(go), () => resolve()));
}

/** Half of the bytes, and the rest when the gate opens. */
function halting(bytes: Uint8Array): ReadableStream<Uint8Array> {
  const half = Math.floor(bytes.length / 2);
  return new ReadableStream({
    async start(controller) {
      controller.enqueue(bytes.subarray(0, half));
      await gate();
      try {
        controller.enqueue(bytes.subarray(half));
        controller.close();
      } catch {
        // The client has gone.
      }
    },
  });
}

Bun.serve({
  hostname,
  port: Number(port),
  idleTimeout: 0,
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const answer = await fetch(`http://${upstream}${pathname}`, { method: request.method, headers: request.headers });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const headers = new Headers(answer.headers);
    const body = request.method === "GET" && bytes.length > BIG && !existsSync(go) ? halting(bytes) : bytes;
    if (request.method === "GET") headers.set("Content-Length", String(bytes.length));
    return new Response(body, { status: answer.status, headers });
  },
});
console.log("ready");
