import { afterAll, beforeAll, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { bytesOf, tarOf } from "./lab.test.ts";
import { remoteContext } from "./remote.ts";

const served = new Map<string, Uint8Array>();
let server: ReturnType<typeof Bun.serve>;
beforeAll(() => {
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      const body = served.get(new URL(request.url).pathname);
      return body ? new Response(body) : new Response("no", { status: 404 });
    },
  });
});
afterAll(() => server.stop(true));

const context = (path: string, dockerfile = "Dockerfile") =>
  bytesOf(remoteContext(`http://127.0.0.1:${server.port}${path}`, { dockerfile }));

test("an archive comes as it is, compressed or not", async () => {
  const tar = await bytesOf(tarOf({ Dockerfile: "FROM x\n", big: "x".repeat(100_000) }));
  for (const bytes of [tar, gzipSync(tar)]) {
    served.set("/context", bytes);
    expect((await context("/context")).equals(bytes)).toBe(true);
  }
});

test("anything else is the Dockerfile, under the name that is asked for", async () => {
  for (const text of ["FROM base\nENV a=b\n", `FROM base\n${"# long\n".repeat(500)}ENV a=b\n`]) {
    served.set("/any", Buffer.from(text));
    const got = await context("/any", "Other");
    const same = await bytesOf(tarOf({ Other: { text, mode: 0o600, mtimeSec: 0 } }));
    expect(got.length).toBe(same.length);
    expect(got.toString()).toContain(text);
  }
});

test("what cannot be had is one clear line", () => {
  expect(context("/nosuch")).rejects.toThrow(/^failed to GET http:.*\/nosuch: status 404 Not Found$/);
});
