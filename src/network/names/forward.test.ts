import { afterEach, describe, expect, test } from "bun:test";
import { createSocket, type Socket } from "node:dgram";
import { type AddressInfo, createServer, type Server } from "node:net";
import packet from "dns-packet";
import { Forwarder, framed } from "./forward.ts";

// Other servers: real sockets on this machine's loopback.

const open: (Socket | Server)[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

const QUERY = packet.encode({
  type: "query",
  id: 4711,
  flags: packet.RECURSION_DESIRED,
  questions: [{ type: "A", name: "Example.com" }],
});
/** Long enough for a busy machine, as each test waits for it once. */
const WAIT_MS = 1000;

/** The answer with an address, or with a code. */
function reply(data: string | number, name = "example.com"): Buffer {
  const flags = typeof data === "number" ? data : 0;
  const answers: packet.Answer[] = typeof data === "string" ? [{ type: "A", name, data, ttl: 1 }] : [];
  return packet.encode({ type: "response", id: 4711, flags, questions: [{ type: "A", name }], answers });
}

/** A server that sends these messages for each question; `asked` counts them. */
async function udp(...messages: Buffer[]): Promise<{ at: string; asked: () => number }> {
  let asked = 0;
  const socket = createSocket("udp4");
  open.push(socket);
  socket.on("message", (_, peer) => {
    asked++;
    for (const message of messages) socket.send(message, peer.port, peer.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return { at: `127.0.0.1#${socket.address().port}`, asked: () => asked };
}

/** A server over TCP that sends these chunks, and ends the connection where `end` says so. */
async function tcp(chunks: Buffer[], end = false): Promise<string> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.once("data", () => {
      for (const chunk of chunks) socket.write(chunk);
      if (end) socket.end();
    });
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1#${(server.address() as AddressInfo).port}`;
}

/** A port at which nobody listens. */
async function nobody(): Promise<string> {
  const { at } = await udp();
  const socket = open.pop() as Socket;
  await new Promise<void>((resolve) => socket.close(resolve));
  return at;
}

/** What comes back: addresses, a code, or "nothing". */
function said(message: Buffer | undefined): string {
  if (!message) return "nothing";
  const { rcode, answers } = packet.decode(message) as packet.DecodedPacket & { rcode: string };
  return rcode === "NOERROR" ? (answers ?? []).map((a) => ("data" in a ? String(a.data) : "")).join() : rcode;
}

describe("over UDP", () => {
  const ask = async (...servers: string[]): Promise<string> =>
    said(await new Forwarder(WAIT_MS).ask(QUERY, servers, "udp"));

  test("the first that knows; one that is not there, refuses, fails or is silent is passed over", async () => {
    const good = await udp(reply("192.0.2.1"));
    const second = await udp(reply("192.0.2.2"));
    expect(await ask(good.at, second.at)).toBe("192.0.2.1");
    expect(second.asked()).toBe(0);
    const bad = [await nobody(), (await udp(reply(5))).at, (await udp(reply(2))).at, (await udp()).at];
    expect(await Promise.all(bad.map((server) => ask(server, good.at)))).toEqual(bad.map(() => "192.0.2.1"));
  });

  test("that a name does not exist is an answer; a failure is told where nobody knows more", async () => {
    const none = await udp(reply(3));
    const good = await udp(reply("192.0.2.1"));
    expect(await ask(none.at, good.at)).toBe("NXDOMAIN");
    expect(good.asked()).toBe(0);
    expect(await ask((await udp(reply(5))).at, await nobody())).toBe("REFUSED");
    expect(await ask(await nobody())).toBe("nothing");
    expect(await ask()).toBe("nothing");
  });

  test("answers to other questions, to nobody's, and rubbish are not taken", async () => {
    const forged = reply("192.0.2.66");
    forged.writeUInt16BE(4712, 0);
    const asked = Buffer.from(QUERY);
    const odd = await udp(Buffer.alloc(3), forged, asked, reply("192.0.2.66", "other.com"), reply("192.0.2.1"));
    expect(await ask(odd.at)).toBe("192.0.2.1");
  });

  test("a server that said nothing is asked after the others from then on", async () => {
    const forwarder = new Forwarder(WAIT_MS);
    const silent = await udp();
    const good = await udp(reply("192.0.2.1"));
    const servers = [silent.at, good.at];
    expect(said(await forwarder.ask(QUERY, servers, "udp"))).toBe("192.0.2.1");
    expect(said(await forwarder.ask(QUERY, servers, "udp"))).toBe("192.0.2.1");
    expect([silent.asked(), good.asked()]).toEqual([1, 2]);
  });

  test("what was cut goes back as it is: who asked comes again over TCP", async () => {
    const cut = await udp(reply(packet.TRUNCATED_RESPONSE));
    const back = await new Forwarder(WAIT_MS).ask(QUERY, [cut.at], "udp");
    expect(back && packet.decode(back).flag_tc).toBe(true);
  });
});

describe("over TCP", () => {
  const ask = async (...servers: string[]): Promise<string> =>
    said(await new Forwarder(WAIT_MS).ask(QUERY, servers, "tcp"));

  test("answers in pieces; ones that end early, never come or are too long to be true are passed over", async () => {
    const whole = framed(reply("192.0.2.1"));
    const good = await tcp([whole.subarray(0, 1), whole.subarray(1, 20), whole.subarray(20)]);
    expect(await ask(good)).toBe("192.0.2.1");
    const bad = [
      await nobody(),
      await tcp([], true),
      await tcp([whole.subarray(0, 9)], true),
      await tcp([Buffer.from([0xff, 0xff, 1, 2])]),
      await tcp([Buffer.from([0, 0])]),
      await tcp([framed(reply("192.0.2.66", "other.com"))]),
    ];
    expect(await Promise.all(bad.map((server) => ask(server, good)))).toEqual(bad.map(() => "192.0.2.1"));
  });

  test("an answer as long as can be", async () => {
    const long = Buffer.concat([reply("192.0.2.1"), Buffer.alloc(65_535 - reply("192.0.2.1").length)]);
    const back = await new Forwarder(5000).ask(QUERY, [await tcp([framed(long)])], "tcp");
    expect(back?.length).toBe(65_535);
  });
});
