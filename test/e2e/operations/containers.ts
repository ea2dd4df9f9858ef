import { expect } from "bun:test";
import type { Case } from "./cases.ts";

/** On cgroup v1 Docker answers null for a container without a wish, though the specification says integer. */
function withoutSwappiness(body: unknown): unknown {
  const { HostConfig: host } = body as { HostConfig?: { MemorySwappiness?: number | null } };
  if (host?.MemorySwappiness === null) delete host.MemorySwappiness;
  return body;
}

/** Docker answers null for the exit code of an exec that runs, though the specification says integer. */
function withoutExitCode(body: unknown): unknown {
  const { ExitCode: code, ...rest } = body as { ExitCode: number | null };
  return code === null ? rest : body;
}

const sleep = { Image: "busybox", Cmd: ["sleep", "1000"], HostConfig: { NetworkMode: "none" } };
const badFilters = "filters=%7Bbad";

/** Containers' operations. */
export const containerCases: Case[] = [
  { line: "POST /containers/create?name=ops", status: 201, json: { ...sleep, Labels: { a: "b" } } },
  { line: "POST /containers/create?name=ops", status: 409, json: sleep },
  { line: "POST /containers/create", status: 400, json: { Cmd: ["x"] } },
  { line: "POST /containers/create", status: 404, json: { Image: "nosuch" } },
  { line: "GET /containers/json?all=1&size=1", status: 200 },
  { line: `GET /containers/json?${badFilters}`, status: 400 },
  { line: "GET /containers/ops/json?size=1", status: 200, adapt: withoutSwappiness },
  { line: "GET /containers/nosuch/json", status: 404 },
  { line: "POST /containers/ops/start", status: 204 },
  { line: "POST /containers/ops/start", status: 304 },
  { line: "POST /containers/ops/start", status: 400, json: { Binds: [] } },
  { line: "POST /containers/nosuch/start", status: 404 },
  { line: "GET /containers/ops/top", status: 200 },
  { line: "GET /containers/nosuch/top", status: 404 },
  { line: "GET /containers/ops/logs?stdout=1&stderr=1", status: 200 },
  { line: "GET /containers/nosuch/logs?stdout=1", status: 404 },
  { line: "GET /containers/ops/changes", status: 200 },
  { line: "GET /containers/nosuch/changes", status: 404 },
  {
    line: "GET /containers/ops/export",
    status: 200,
    unchecked: true,
    check: ({ text }) => expect(text.slice(257, 262)).toBe("ustar"),
  },
  { line: "GET /containers/nosuch/export", status: 404 },
  { line: "GET /containers/ops/stats?stream=0&one-shot=1", status: 200 },
  { line: "GET /containers/nosuch/stats?stream=0", status: 404 },
  { line: "POST /containers/ops/resize?h=10&w=20", status: 200 },
  { line: "POST /containers/nosuch/resize?h=10&w=20", status: 404 },
  { line: "POST /containers/ops/restart?t=0", status: 204 },
  { line: "POST /containers/nosuch/restart", status: 404 },
  { line: "POST /containers/ops/update", status: 200, json: { PidsLimit: 50 } },
  { line: "POST /containers/nosuch/update", status: 404, json: {} },
  { line: "POST /containers/ops/pause", status: 204 },
  { line: "POST /containers/nosuch/pause", status: 404 },
  { line: "POST /containers/ops/unpause", status: 204 },
  { line: "POST /containers/nosuch/unpause", status: 404 },
  { line: "POST /containers/ops/attach?stream=1&stdout=1", status: 101, upgrade: "tcp" },
  { line: "POST /containers/ops/attach?logs=1&stdout=1", status: 200, unchecked: true },
  { line: "POST /containers/ops/attach?stream=1&stdout=1&detachKeys=nosuch-key", status: 400 },
  { line: "POST /containers/nosuch/attach?stream=1&stdout=1", status: 404 },
  {
    line: "GET /containers/ops/attach/ws?stream=1&stdout=1",
    status: 101,
    upgrade: "websocket",
    headers: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13", Origin: "http://berth" },
  },
  { line: "GET /containers/ops/attach/ws?stream=1&stdout=1", status: 400 },
  {
    line: "GET /containers/nosuch/attach/ws?stream=1",
    status: 404,
    upgrade: "websocket",
    headers: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13", Origin: "http://berth" },
  },
  { line: "DELETE /containers/ops", status: 409 },
  { line: "DELETE /containers/nosuch", status: 404 },
  { line: "DELETE /containers/ops?link=1", status: 500 },
  { line: "POST /containers/ops/kill?signal=CONT", status: 204 },
  { line: "POST /containers/nosuch/kill", status: 404 },
  { line: "POST /containers/ops/wait?condition=bad", status: 400 },
  { line: "POST /containers/nosuch/wait", status: 404 },
  { line: "POST /containers/ops/stop?t=0", status: 204 },
  { line: "POST /containers/ops/stop?t=0", status: 304 },
  { line: "POST /containers/nosuch/stop", status: 404 },
  { line: "POST /containers/ops/kill", status: 409 },
  { line: "POST /containers/ops/wait", status: 200 },
  { line: "POST /containers/ops/rename?name=spo", status: 204 },
  { line: "POST /containers/nosuch/rename?name=other", status: 404 },
  { line: "POST /containers/create?name=taken", status: 201, json: sleep },
  { line: "POST /containers/spo/rename?name=taken", status: 409 },
  { line: "DELETE /containers/taken", status: 204 },
  { line: "POST /containers/prune", status: 200 },
];

/** The archive's operations on a stopped container. */
export const archiveCases: Case[] = [
  { line: "POST /containers/create?name=ops-files", status: 201, json: sleep },
  {
    line: "POST /containers/create?name=ops-readonly",
    status: 201,
    json: { ...sleep, HostConfig: { NetworkMode: "none", ReadonlyRootfs: true } },
  },
  {
    line: "HEAD /containers/ops-files/archive?path=/etc/passwd",
    status: 200,
    check: ({ headers }) => {
      const stat = Buffer.from(String(headers["x-docker-container-path-stat"]), "base64").toString();
      expect(JSON.parse(stat)).toMatchObject({ name: "passwd", linkTarget: "" });
    },
  },
  { line: "HEAD /containers/ops-files/archive", status: 400 },
  { line: "HEAD /containers/ops-files/archive?path=/nosuch", status: 404 },
  {
    line: "GET /containers/ops-files/archive?path=/etc/passwd",
    status: 200,
    unchecked: true,
    check: ({ text }) => expect(text).toStartWith("passwd\0"),
  },
  { line: "GET /containers/ops-files/archive", status: 400 },
  { line: "GET /containers/ops-files/archive?path=/nosuch", status: 404 },
  { line: "GET /containers/nosuch/archive?path=/", status: 404 },
  { line: "PUT /containers/ops-files/archive?path=/tmp", status: 200, body: Buffer.alloc(1024) },
  { line: "PUT /containers/ops-files/archive", status: 400, body: Buffer.alloc(1024) },
  { line: "PUT /containers/ops-readonly/archive?path=/tmp", status: 403, body: Buffer.alloc(1024) },
  { line: "PUT /containers/ops-files/archive?path=/nosuch", status: 404, body: Buffer.alloc(1024) },
];

/** Execs' operations. */
export const execCases: Case[] = [
  { line: "POST /containers/create?name=ops-exec", status: 201, json: sleep },
  { line: "POST /containers/ops-exec/exec", status: 409, json: { Cmd: ["true"] } },
  { line: "POST /containers/nosuch/exec", status: 404, json: { Cmd: ["true"] } },
  { line: "POST /containers/ops-exec/start", status: 204 },
  {
    line: "POST /containers/ops-exec/exec",
    status: 201,
    json: { Cmd: ["sleep", "1000"], AttachStdout: true, Tty: true },
    check: ({ body }, { names }) => void names.set("exec", (body as { Id: string }).Id),
  },
  { line: "POST /exec/nosuch/start", status: 404, json: { Detach: true } },
  { line: "POST /exec/{exec}/start", status: 200, json: { Detach: true, Tty: true } },
  { line: "POST /exec/{exec}/start", status: 409, json: { Detach: true, Tty: true } },
  { line: "POST /exec/{exec}/resize?h=10&w=20", status: 200 },
  { line: "POST /exec/{exec}/resize?h=ten&w=20", status: 400 },
  { line: "POST /exec/nosuch/resize?h=10&w=20", status: 404 },
  { line: "GET /exec/{exec}/json", status: 200, adapt: withoutExitCode },
  { line: "GET /exec/nosuch/json", status: 404 },
  { line: "DELETE /containers/ops-exec?force=1", status: 204 },
];
