import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApi } from "../../../src/api/api.ts";
import type { Backend } from "../../../src/api/backend.ts";
import { listen } from "../../../src/daemon/http/listen.ts";
import { BerthError, type ErrorKind } from "../../../src/spec/errors.ts";
import type { SpecOperation } from "../../../src/testing/spec-validator.ts";
import { type Answer, exchange, type Send } from "./exchange.ts";

const KINDS: Record<number, ErrorKind> = {
  400: "invalid-argument",
  401: "unauthorized",
  403: "forbidden",
  404: "not-found",
  409: "conflict",
  500: "internal",
  503: "unavailable",
};

/** The real API and the real server over an engine whose every verb fails. */
export interface FaultyServer {
  /** Sends a request while all fails with what means `status`. */
  ask(status: number, send: Send): Promise<Answer>;
  close(): Promise<void>;
}

/** Starts one on a unix socket of its own. */
export async function faultyServer(): Promise<FaultyServer> {
  const folder = mkdtempSync(join(tmpdir(), "berth-faults-"));
  const socket = join(folder, "s");
  let kind: ErrorKind = "internal";
  const fail = (): never => {
    throw new BerthError(kind, "failed as asked");
  };
  const area = new Proxy({}, { get: () => fail });
  const backend = new Proxy({}, { get: () => area }) as Backend;
  const listener = await listen(createApi(backend), { unix: socket });
  return {
    ask(status, send) {
      kind = KINDS[status] ?? "internal";
      return exchange(socket, send);
    },
    async close() {
      await listener.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** What a good request needs beyond its path. */
const NEEDS: Record<string, Partial<Send> & { query?: string }> = {
  ContainerCreate: { json: { Image: "a" } },
  ContainerLogs: { query: "stdout=1" },
  ContainerStats: { query: "stream=0" },
  ContainerResize: { query: "h=1&w=1" },
  ContainerUpdate: { json: {} },
  ContainerRename: { query: "name=other" },
  ContainerAttach: { query: "stream=1&stdout=1" },
  ContainerAttachWebsocket: {
    query: "stream=1&stdout=1",
    upgrade: "websocket",
    headers: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13" },
  },
  ContainerArchive: { query: "path=/a" },
  ContainerArchiveInfo: { query: "path=/a" },
  PutContainerArchive: { query: "path=/a", body: Buffer.alloc(1024) },
  ImageBuild: { body: Buffer.alloc(1024), headers: { "Content-Type": "application/x-tar" } },
  ImageCreate: { query: "fromImage=a&tag=b" },
  ImagePush: { headers: { "X-Registry-Auth": "e30=" } },
  ImageTag: { query: "repo=a&tag=b" },
  ImageSearch: { query: "term=a" },
  ImageCommit: { query: "container=a", json: {} },
  ImageGetAll: { query: "names=a" },
  ImageLoad: { body: Buffer.alloc(1024), headers: { "Content-Type": "application/x-tar" } },
  SystemAuth: { json: { username: "a", password: "b" } },
  ContainerExec: { json: { Cmd: ["a"] } },
  ExecStart: { json: { Detach: true } },
  ExecResize: { query: "h=1&w=1" },
  VolumeCreate: { json: {} },
  VolumeUpdate: { query: "version=1", json: { Spec: {} } },
  NetworkCreate: { json: { Name: "a" } },
  NetworkConnect: { json: { Container: "a" } },
  NetworkDisconnect: { json: { Container: "a" } },
};

/** A request of that operation that is good in itself. */
export function sampleRequest({ id, method, path }: SpecOperation): Send {
  const { query, ...rest } = NEEDS[id] ?? {};
  const target = path.replace(/\{\w+\}/g, "sample");
  return { ...rest, line: `${method} ${target}${query === undefined ? "" : `?${query}`}` };
}
