import { afterAll, beforeAll, expect, test } from "bun:test";
import { TestDaemon } from "../../../src/testing/daemon.ts";
import { loadSpecValidator } from "../../../src/testing/spec-validator.ts";
import type { Case, World } from "./cases.ts";
import { archiveCases, containerCases, execCases } from "./containers.ts";
import { type Answer, exchange } from "./exchange.ts";
import { type FaultyServer, faultyServer, sampleRequest } from "./faults.ts";
import { registryServers } from "./registry-servers.ts";
import { imageCases, networkCases, systemCases, volumeCases } from "./stores.ts";

// Every operation of the Engine API that concerns one machine, with every status that the specification has for it, over real sockets.

const CASES: [group: string, Case[]][] = [
  ["system", systemCases],
  ["container", containerCases],
  ["archive", archiveCases],
  ["exec", execCases],
  ["image", imageCases],
  ["volume", volumeCases],
  ["network", networkCases],
];

/** Statuses that the specification documents and no engine gives, each with the reason. */
const NEVER: Record<string, string> = {
  "SystemPing 500": "answers from no state at all",
  "SystemPingHead 500": "answers from no state at all",
  "SystemAuth 204": "an answer always has its body",
  "ContainerAttachWebsocket 200": "an attach over a WebSocket succeeds as 101",
  "VolumeUpdate 200": "only cluster volumes can be updated",
  "VolumeUpdate 400": "only cluster volumes can be updated",
  "VolumeUpdate 404": "only cluster volumes can be updated",
  "VolumeUpdate 500": "only cluster volumes can be updated",
  "Session 500": "a session only holds its connection",
  "ContainerAttach 500": "an attached stream that fails is cut: its head is out",
};

const spec = loadSpecValidator({ goNulls: true });
/** `ContainerList 200` → how it was seen. */
const seen = new Map<string, "daemon" | "fault">();
let world: World;
let faulty: FaultyServer;
let servers: AsyncDisposable;

beforeAll(async () => {
  world = { daemon: await TestDaemon.start(), names: new Map() };
  servers = await registryServers(world.daemon);
  faulty = await faultyServer();
});
afterAll(async () => {
  await faulty.close();
  await servers[Symbol.asyncDispose]();
  await world.daemon[Symbol.asyncDispose]();
});

function note(line: string, status: number, how: "daemon" | "fault"): void {
  const [method = "", path = ""] = line.split(" ");
  const id = spec.operationOf(method, path);
  if (id && !seen.has(`${id} ${status}`)) seen.set(`${id} ${status}`, how);
}

/** What is wrong with an answer's body. Statuses beyond the documented ones have the shape of every error. */
function findings(line: string, answer: Answer): string[] {
  const [method = "", path = ""] = line.split(" ");
  const documented = spec.operations.find((o) => o.id === spec.operationOf(method, path))?.statuses ?? [];
  if (documented.includes(answer.status) && answer.body !== undefined) {
    return spec.validateResponse(method, path, answer.status, answer.body);
  }
  const wordless = answer.status < 400 || method === "HEAD" || answer.text.length > 5;
  return wordless ? [] : [`${line}: an error of ${answer.status} without words`];
}

for (const [group, cases] of CASES) {
  for (const [index, one] of cases.entries()) {
    test(`${group} ${index + 1}: ${one.line} → ${one.status}`, async () => {
      await one.before?.(world);
      const line = one.line.replace(/\{(\w+)\}/g, (_, key: string) => world.names.get(key) ?? key);
      const [method, path] = line.split(" ");
      const answer = await exchange(world.daemon.socket, { ...one, line: `${method} /v1.51${path}` });
      expect(`${answer.status} ${answer.status === one.status ? "" : answer.text}`.trim()).toBe(String(one.status));
      one.check?.(answer, world);
      const body = one.adapt ? one.adapt(answer.body) : answer.body;
      if (!one.unchecked) expect(findings(line, { ...answer, body })).toEqual([]);
      note(line, answer.status, "daemon");
    });
  }
}

test("every documented error, given by an engine that fails so, comes out with that status and the shape of an error", async () => {
  for (const operation of spec.operations) {
    for (const status of operation.statuses.filter((s) => s >= 400)) {
      const send = sampleRequest(operation);
      const answer = await faulty.ask(status, send);
      if (`${operation.id} ${status}` in NEVER) continue;
      expect(`${operation.id} ${answer.status}`).toBe(`${operation.id} ${status}`);
      if (operation.method !== "HEAD")
        expect(spec.validateResponse(operation.method, operation.path, status, answer.body)).toEqual([]);
      note(send.line, status, "fault");
    }
  }
});

test("no operation and no documented status is missing", () => {
  const all = spec.operations.flatMap(({ id, statuses }) => statuses.map((status) => `${id} ${status}`));
  const missing = all.filter((key) => !seen.has(key) && !(key in NEVER));
  const natural = [...seen.values()].filter((how) => how === "daemon").length;
  const rows = spec.operations.map(
    ({ id, statuses }) => `  ${id.padEnd(28)} ${statuses.map((s) => mark(id, s)).join(" ")}`,
  );
  console.log(`Operations and statuses exercised (~: by an engine made to fail, -: never given):\n${rows.join("\n")}`);
  console.log(
    `API coverage: ${spec.operations.length} operations, ${all.length} statuses, ${natural} pairs by a real daemon, ${missing.length} missing`,
  );
  expect(missing).toEqual([]);
});

function mark(id: string, status: number): string {
  const key = `${id} ${status}`;
  if (key in NEVER) return `${status}-`;
  const how = seen.get(key);
  return how === "daemon" ? `${status}` : how === "fault" ? `${status}~` : `${status}?`;
}
