import { afterAll, beforeAll, expect, test } from "bun:test";
import { TestDaemon } from "../../src/testing/daemon.ts";
import { loadSpecValidator } from "../../src/testing/spec-validator.ts";

// The Engine API over the socket, real traffic checked against the specification.

let daemon: TestDaemon;
let container = "";
const spec = loadSpecValidator({ goNulls: true });

beforeAll(async () => {
  daemon = await TestDaemon.start();
  container = await daemon.ok(
    "run",
    "-d",
    "--name",
    "api",
    "-p",
    "80",
    "-v",
    "apivol:/v",
    "--label",
    "x=y",
    "busybox",
    "sleep",
    "1000",
  );
  await daemon.berth("run", "--name", "ended", "busybox", "sh", "-c", "exit 3");
});
afterAll(() => daemon[Symbol.asyncDispose]());

async function call(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`http://berth${path}`, {
    method,
    unix: daemon.socket,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    body: text === "" ? undefined : answer.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text,
  };
}

test.each([
  "/_ping",
  "/version",
  "/info",
  "/containers/json?all=1&size=1",
  "/containers/api/json?size=1",
  "/containers/ended/json",
  "/containers/api/top",
  "/containers/api/stats?stream=0&one-shot=1",
  "/images/json",
  "/images/busybox/json",
  "/images/busybox/history",
  "/networks",
  "/networks/bridge",
  "/volumes",
  "/volumes/apivol",
  "/system/df",
])("GET %s has the specified shape", async (path) => {
  const { status, body } = await call("GET", `/v1.51${path}`);
  expect(status).toBe(200);
  // On cgroup v1 Docker answers null for a container without a wish, though the specification says integer.
  const { HostConfig: host } = body as { HostConfig?: { MemorySwappiness?: number | null } };
  if (host?.MemorySwappiness === null) delete host.MemorySwappiness;
  expect(spec.validateResponse("GET", path, status, body)).toEqual([]);
});

test("create, start, wait, remove with their specified answers", async () => {
  const created = await call("POST", "/v1.51/containers/create?name=raw", {
    Image: "busybox",
    Cmd: ["sh", "-c", "exit 4"],
    HostConfig: { NetworkMode: "none", Binds: null },
  });
  expect(created.status).toBe(201);
  expect(spec.validateResponse("POST", "/containers/create", 201, created.body)).toEqual([]);
  const waiting = call("POST", "/v1.51/containers/raw/wait?condition=next-exit");
  expect((await call("POST", "/v1.51/containers/raw/start")).status).toBe(204);
  const waited = await waiting;
  expect(waited).toEqual({ status: 200, body: { StatusCode: 4 } });
  expect((await call("DELETE", "/v1.51/containers/raw")).status).toBe(204);
});

test("exec has its specified answers", async () => {
  const created = await call("POST", "/v1.51/containers/api/exec", { Cmd: ["sh", "-c", "exit 5"], AttachStdout: true });
  expect(created.status).toBe(201);
  const { Id } = created.body as { Id: string };
  expect((await call("POST", `/v1.51/exec/${Id}/start`, { Detach: true })).status).toBe(200);
  let inspected = await call("GET", `/v1.51/exec/${Id}/json`);
  while ((inspected.body as { Running: boolean }).Running) inspected = await call("GET", `/v1.51/exec/${Id}/json`);
  expect((inspected.body as { ExitCode: number }).ExitCode).toBe(5);
  expect(spec.validateResponse("GET", `/exec/${Id}/json`, 200, inspected.body)).toEqual([]);
});

test.each([
  ["GET", "/v1.23/containers/json", 400],
  ["GET", "/v1.99/containers/json", 400],
  ["GET", "/v1.51/containers/nosuch/json", 404],
  ["POST", "/v1.51/containers/api/start", 304],
  ["POST", "/v1.51/containers/create?name=api", 400],
  ["DELETE", "/v1.51/containers/api", 409],
  ["GET", "/v1.51/nosuch", 404],
  ["GET", "/v1.51/services", 503],
  ["POST", "/v1.51/containers/nosuch/kill", 404],
  ["POST", "/v1.51/containers/ended/kill", 409],
  ["GET", "/v1.51/containers/json?filters=%7Bbad", 400],
] as const)("%s %s answers %d", async (method, path, status) => {
  const answer = await call(method, path, method === "POST" ? {} : undefined);
  expect(answer.status).toBe(status);
  if (status !== 304) expect((answer.body as { message: string }).message.length).toBeGreaterThan(5);
});

test("old versions answer in their own shape", async () => {
  const old = (await call("GET", "/v1.24/containers/api/json")).body as { Id: string };
  expect(old.Id).toBe(container);
  expect((await call("GET", "/v1.43/images/busybox/json")).body).toHaveProperty("VirtualSize");
  expect((await call("GET", "/v1.51/images/busybox/json")).body).not.toHaveProperty("VirtualSize");
});

test("several actions in a row come out as events, in order, in the specified shape", async () => {
  const since = Math.floor(Date.now() / 1000) - 1;
  await daemon.ok("run", "--rm", "--name", "ev", "busybox", "true");
  const filters = encodeURIComponent('{"container":["ev"],"type":["container"]}');
  const until = Math.floor(Date.now() / 1000) + 1;
  const answer = await fetch(`http://berth/v1.51/events?since=${since}&until=${until}&filters=${filters}`, {
    unix: daemon.socket,
  });
  const lines = (await answer.text())
    .trim()
    .split("\n")
    .map((l) => JSON.parse(l));
  expect(lines.map((e) => e.Action)).toEqual(["create", "attach", "start", "die", "destroy"]);
  for (const line of lines) expect(spec.validateResponse("GET", "/events", 200, line)).toEqual([]);
});
