import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packet from "dns-packet";
import { NetLab } from "../../testing/netlab.ts";
import { fuzzSteps, random } from "../../testing/random.ts";
import type { EndpointRecord } from "../networks.ts";
import type { Endpoint } from "../types.ts";
import { framed } from "./forward.ts";
import { HostNames, type HostNamesOptions, parseHostNames } from "./host-names.ts";
import { pointers } from "./resolver-hints.ts";

function on(network: string, ip: string, more: Partial<Endpoint> = {}): Endpoint {
  const base = { network, networkId: `id-${network}`, endpointId: `e-${ip}`, prefix: 24, gateway: "", mac: "" };
  return { ...base, ip, ...more };
}

function record(name: string, first: Endpoint, ...more: Endpoint[]): EndpointRecord {
  return { ...first, containerId: `${name.toLowerCase()}0123456789abcdef`, name, ports: {}, more };
}

const SIX = { ip: "fd00::2", prefix: 64, gateway: "" };
const WEB = record("Web", on("front", "10.1.0.2", { names: ["Web", "www"], ip6: SIX }), on("back", "10.2.0.2"));
const TWIN = record("twin", on("front", "10.1.0.3", { names: ["twin", "www"] }), on("lan", "192.0.2.3"));
const DOTTED = record("web.front", on("back", "10.2.0.9"));
const reached = (): Set<string> => new Set(["id-front", "id-back"]);

const root = mkdtempSync(join(tmpdir(), "host-names-"));
const hostsFile = join(root, "hosts");
let lab: NetLab;
beforeAll(() => {
  lab = new NetLab();
});
afterAll(() => {
  lab.close();
  rmSync(root, { recursive: true });
});

/** Opened names, with what is attached, and what was logged. */
async function opened(way: string, more: Partial<HostNamesOptions> = {}) {
  const state = { all: [WEB, TWIN], logged: [] as string[] };
  const names = new HostNames({
    ...{ way: parseHostNames(way), tag: "t", link: "br9", hostsFile, reached },
    all: () => state.all,
    log: (line) => state.logged.push(line),
    ...more,
  });
  await names.open();
  return { names, state };
}

describe("the setting", () => {
  test.each([
    ["off", { kind: "off" }],
    ["dns", { kind: "dns", host: "127.0.0.111", port: 53 }],
    ["dns=127.0.0.9", { kind: "dns", host: "127.0.0.9", port: 53 }],
    ["dns=::1#5353", { kind: "dns", host: "::1", port: 5353 }],
    ["hosts", { kind: "hosts", path: "/etc/hosts" }],
    ["hosts=/x/hosts", { kind: "hosts", path: "/x/hosts" }],
  ])("%s", (text, way) => expect<object>(parseHostNames(text)).toEqual(way));

  test.each([
    "",
    "on",
    "dns=",
    "dns=10.0.0.1",
    "dns=localhost",
    "dns=127.0.0.1#",
    "dns=127.0.0.1#65536",
    "hosts=x",
    "off=1",
  ])("%j is refused", (text) =>
    expect(() => parseHostNames(text)).toThrow(`host-names: invalid: ${JSON.stringify(text)}`),
  );
});

test("names: a container's own before its networks'; only what the host reaches", async () => {
  const { names, state } = await opened("off");
  const all = (name: string): string[] | undefined => names.addresses(name);
  expect(all("web.container")).toEqual(["10.1.0.2", "fd00::2", "10.2.0.2"]);
  expect(all("web0123456789.container")).toBeUndefined();
  expect(all("WEB012345678.container")).toEqual(["10.1.0.2", "fd00::2", "10.2.0.2"]);
  expect(all("web.front.container")).toEqual(["10.1.0.2", "fd00::2"]);
  expect(all("web.back.container")).toEqual(["10.2.0.2"]);
  expect(all("www.front.container")).toEqual(["10.1.0.2", "fd00::2", "10.1.0.3"]);
  expect([all("twin.container"), all("twin.lan.container")]).toEqual([["10.1.0.3"], undefined]);
  expect([all("www.container"), all("web"), all("web.front")]).toEqual([undefined, undefined, undefined]);
  expect([all("front.container"), all("container")]).toEqual([[], []]);
  expect([names.pointer("10.2.0.2"), names.pointer("10.9.9.9")]).toEqual(["web.container", undefined]);
  state.all = [WEB, DOTTED];
  names.changed();
  expect([all("twin.container"), all("web.front.container")]).toEqual([undefined, ["10.2.0.9"]]);
});

describe("by asking", () => {
  const AT = "127.0.0.111";

  async function ask(name: string, type: "A" | "AAAA" | "PTR" = "A"): Promise<string | string[]> {
    const socket = createSocket("udp4");
    const message = once(socket, "message");
    socket.send(packet.encode({ type: "query", id: 9, questions: [{ type, name }] }), 53, AT);
    const [reply] = (await message) as [Buffer];
    socket.close();
    const decoded = packet.decode(reply) as packet.DecodedPacket & { rcode: string };
    expect(decoded.questions?.[0]?.name).toBe(name);
    if (decoded.rcode !== "NOERROR") return decoded.rcode;
    return (decoded.answers ?? []).map((a) => ("data" in a ? `${String(a.data)} ${a.ttl}` : "")).sort();
  }

  test("answers that nobody keeps, and none for other names; each change is seen by the next question", async () => {
    const { names, state } = await opened("dns");
    expect(await ask("Web.Container")).toEqual(["10.1.0.2 0", "10.2.0.2 0"]);
    expect(await ask("web.container", "AAAA")).toEqual(["fd00::2 0"]);
    expect(await ask("twin.container", "AAAA")).toEqual([]);
    expect(await ask("front.container")).toEqual([]);
    expect(await ask("nosuch.container")).toBe("NXDOMAIN");
    expect(await ask("example.com")).toBe("REFUSED");
    expect(await ask("2.0.1.10.in-addr.arpa", "PTR")).toEqual(["web.container 0"]);
    expect(await ask("9.9.9.10.in-addr.arpa", "PTR")).toBe("REFUSED");
    state.all = [];
    names.changed();
    expect(await ask("web.container")).toBe("NXDOMAIN");
    expect([names.warnings, state.logged]).toEqual([[], []]);
    await names.close();
    await names.close();
    // Its address is free again.
    const next = await opened("dns");
    expect(await ask("twin.container")).toEqual(["10.1.0.3 0"]);
    await next.names.close();
  });

  test("an address that is taken, over UDP or TCP, is told, and nothing is held", async () => {
    const udp = createSocket("udp4").bind(53, AT);
    await once(udp, "listening");
    const first = await opened("dns");
    const problem = `${AT}#53 cannot be used: `;
    expect(first.names.warnings[0]).toStartWith(`Host names: ${problem}`);
    expect(first.names.warnings[0]).toEndWith("; name another with --host-names dns=ADDRESS");
    expect(first.state.logged[0]).toStartWith(`network: host names: ${problem}`);
    await first.names.close();
    udp.close();
    const tcp = createServer().listen(53, AT);
    await once(tcp, "listening");
    const second = await opened("dns");
    expect(second.names.warnings[0]).toContain("EADDRINUSE");
    await second.names.close();
    tcp.close();
    await once(tcp, "close");
    const third = await opened("dns");
    expect(await ask("twin.container")).toEqual(["10.1.0.3 0"]);
    await third.names.close();
  });

  test("rubbish, half messages, lengths of much, and crowds over TCP stop nothing", async () => {
    const { names, state } = await opened("dns");
    const next = random(5);
    const odd = (): Buffer =>
      Buffer.from(Array.from({ length: Math.floor(next() * 80) }, () => Math.floor(next() * 256)));
    const udp = createSocket("udp4");
    for (let i = 0; i < fuzzSteps(300); i++) await new Promise((sent) => udp.send(odd(), 53, AT, sent));
    udp.close();
    const clients: Socket[] = [];
    const client = async (bytes: Buffer): Promise<Socket> => {
      const socket = connect(53, AT).on("error", () => undefined);
      clients.push(socket);
      await once(socket, "connect");
      socket.write(bytes);
      return socket;
    };
    for (let i = 0; i < 30; i++)
      await client(i % 2 === 0 ? framed(odd()) : Buffer.concat([Buffer.from([255, 255]), odd()]));
    const query = framed(packet.encode({ type: "query", id: 9, questions: [{ type: "A", name: "twin.container" }] }));
    const good = await client(query.subarray(0, 5));
    good.write(Buffer.concat([query.subarray(5), query]));
    let bytes = Buffer.alloc(0);
    while (bytes.length < 2 || bytes.length < 2 * (2 + bytes.readUInt16BE(0)))
      bytes = Buffer.concat([bytes, ((await once(good, "data")) as [Buffer])[0]]);
    expect(packet.decode(bytes.subarray(2, 2 + bytes.readUInt16BE(0))).answers).toHaveLength(1);
    for (let i = 0; i < 40; i++) await client(Buffer.alloc(1));
    // More than it takes are cut off, and those that it has are not.
    const last = clients.at(-1);
    if (last && !last.closed) await once(last, "close");
    good.write(query);
    expect(((await once(good, "data")) as [Buffer])[0].length).toBeGreaterThan(14);
    expect(await ask("twin.container")).toEqual(["10.1.0.3 0"]);
    for (const socket of clients) socket.destroy();
    await names.close();
    expect(state.logged).toEqual([]);
  });
});

describe("by a hosts file", () => {
  const text = (): string => readFileSync(hostsFile, "utf8");

  test("it follows what changes and is as before in the end; what a killed daemon left the next one takes away", async () => {
    writeFileSync(hostsFile, "127.0.0.1\tlocalhost\n");
    const { names, state } = await opened(`hosts=${hostsFile}`);
    expect(text()).toContain("\n10.1.0.3\ttwin.container twin012345678".slice(0, -1));
    state.all = [];
    for (let i = 0; i < 5; i++) names.changed();
    state.all = [TWIN];
    names.changed();
    // Opening again stands for a daemon that was killed: the file is as it left it.
    await names.open();
    expect([text().includes("web.container"), text().includes("twin.front.container")]).toEqual([false, true]);
    const off = await opened("off");
    expect(text()).toBe("127.0.0.1\tlocalhost\n");
    await off.names.close();
    await names.open();
    await names.close();
    expect(text()).toBe("127.0.0.1\tlocalhost\n");
    names.changed();
    await names.close();
    expect(text()).toBe("127.0.0.1\tlocalhost\n");
  });

  test("a file that cannot be written is told once, and no more once it can", async () => {
    const path = join(root, "gone", "hosts");
    const { names, state } = await opened(`hosts=${path}`);
    expect(names.warnings[0]).toStartWith(`Host names: ${path} cannot be written: ENOENT`);
    await names.open();
    expect(state.logged).toHaveLength(1);
    mkdirSync(join(root, "gone"));
    await names.open();
    expect(names.warnings).toEqual([]);
    expect(readFileSync(path, "utf8")).toContain("twin.container");
    await names.close();
    expect(readFileSync(path, "utf8")).toBe("");
  });
});

test("how the host's resolvers are told, of those that are seen", async () => {
  const at = { host: "127.0.0.111", port: 53 };
  const of = { zone: "container", link: "br9", root };
  expect(pointers(at, of)).toEqual([]);
  mkdirSync(join(root, "run/systemd/resolve"), { recursive: true });
  mkdirSync(join(root, "etc/dnsmasq.d"), { recursive: true });
  expect(pointers(at, of)).toEqual([
    "resolvectl dns br9 127.0.0.111 && resolvectl domain br9 '~container'",
    "server=/container/127.0.0.111 in /etc/dnsmasq.d/berth.conf",
  ]);
  expect(pointers({ host: "::1", port: 5353 }, of)).toEqual([
    "resolvectl dns br9 [::1]:5353 && resolvectl domain br9 '~container'",
    "server=/container/::1#5353 in /etc/dnsmasq.d/berth.conf",
  ]);
  expect((await opened("off")).names.text).toBe("");
  expect((await opened("hosts=/x/nosuch/hosts")).names.text).toBe(
    "NAME.container and NAME.NETWORK.container in /x/nosuch/hosts",
  );
});
