import { expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { NameIndex } from "./index.ts";
import { NameServer } from "./server.ts";

const GATEWAY = "127.0.53.53";
const open = (): NameServer =>
  new NameServer({ index: new NameIndex(() => []), upstream: () => [], log: () => undefined });

test("a gateway answers at the same port again, so that what the kernel remembers of its clients stays right", async () => {
  const first = open();
  const ports = await first.open("one", GATEWAY);
  expect(ports.udp).toBe(ports.tcp);
  first.close("one");
  const second = open();
  expect(await second.open("two", GATEWAY)).toEqual(ports);
  // Opened again without a close in between.
  expect(await second.open("two", GATEWAY)).toEqual(ports);
  second.close("two");
});

test("where a program has that port, another one is taken; the gateways do not get in each other's way", async () => {
  const server = open();
  const ports = await server.open("one", GATEWAY);
  expect(await server.open("other", "127.0.53.54")).toEqual(ports);
  server.close("one");
  const udp = createSocket("udp4");
  const tcp = createServer();
  await new Promise<void>((done) => udp.bind({ address: GATEWAY, port: ports.udp }, done));
  await new Promise<void>((done) => tcp.listen({ host: GATEWAY, port: ports.tcp }, done));
  const moved = await server.open("one", GATEWAY);
  expect([moved.udp === ports.udp, moved.tcp === ports.tcp]).toEqual([false, false]);
  expect(moved.udp * moved.tcp).toBeGreaterThan(0);
  for (const id of ["one", "other"]) server.close(id);
  udp.close();
  tcp.close();
});

test("an address that is not the host's is an error, and the socket that was open is given back", async () => {
  await expect(open().open("one", "203.0.113.9")).rejects.toThrow();
});
