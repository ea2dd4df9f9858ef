import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import packet from "dns-packet";
import { helperPath } from "../../host/embedded.ts";
import { NetHelper } from "../../host/net-helper.ts";
import { NetLab } from "../../testing/netlab.ts";
import { fuzzSteps, random } from "../../testing/random.ts";
import { makeSlot, removeSlots, type Slot } from "../netns.ts";
import type { EndpointRecord } from "../networks.ts";
import { answer } from "./answer.ts";
import { framed } from "./forward.ts";
import { NameIndex } from "./index.ts";
import { failure, questionOf } from "./message.ts";
import { NameServer } from "./server.ts";

// Messages of random bytes, half-right ones, and ones made to hurt: to the code that answers, and over UDP and TCP to the sockets.

const WEB: EndpointRecord = {
  ...{ containerId: "c1", name: "web", ports: {}, network: "n", networkId: "n1", endpointId: "e1" },
  ...{ ip: "10.1.0.2", prefix: 24, gateway: "", mac: "", names: ["web"] },
};
const index = new NameIndex(() => [WEB]);
const OPT = { type: "OPT", name: ".", udpPayloadSize: 1232, flags: 0, options: [] } as unknown as packet.Answer;
const GOOD = packet.encode({ type: "query", id: 1, questions: [{ type: "A", name: "web" }], additionals: [OPT] });
const HEADER = Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);

/** Bytes that are random, or a good question with some of them changed, cut or added. */
function odd(next: () => number): Buffer {
  const below = (n: number): number => Math.floor(next() * n);
  const some = (n: number): Buffer => Buffer.from(Array.from({ length: n }, () => below(256)));
  if (next() < 0.3) return some(below(64));
  const message = Buffer.from(GOOD);
  for (let n = below(5); n >= 0; n--) message[below(message.length)] = below(256);
  return next() < 0.3 ? message.subarray(0, below(message.length)) : Buffer.concat([message, some(below(8))]);
}

test.each([1, 2, 3])("seed %d: an outcome for each message, never a throw", (seed) => {
  const next = random(seed);
  for (let i = 0; i < fuzzSteps(5000); i++) {
    const message = odd(next);
    const result = answer(message, { known: index.seenBy(WEB), limit: 1232 });
    if (result === "drop" || message.length < 12) expect(result).toBe("drop");
    else if (result === "forward") expect(failure(message, "serverFailure").length).toBeGreaterThanOrEqual(12);
    else expect(result.reply.subarray(0, 2)).toEqual(message.subarray(0, 2));
  }
});

test("names that point at themselves, at each other or beyond, and sections that never end, cost nothing", () => {
  const question = Buffer.from([0, 0, 1, 0, 1]);
  const many = Buffer.concat([
    Buffer.from([0, 7, 1, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    question,
    ...Array.from({ length: 5000 }, () => Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])),
  ]);
  // A chain of pointers, each to the one before it, that everything after it goes through.
  const chain = Buffer.concat(
    Array.from({ length: 4000 }, (_, i) => Buffer.from([0xc0 | (i >> 7), (i * 2 + 12) & 255])),
  );
  const messages = [
    Buffer.concat([HEADER, Buffer.from([0xc0, 0x0c, 0, 1, 0, 1])]),
    Buffer.concat([HEADER, Buffer.from([0xc0, 0x0e, 0xc0, 0x0c, 0, 1, 0, 1])]),
    Buffer.concat([HEADER, Buffer.from([0xff, 0xff, 0, 1, 0, 1])]),
    Buffer.concat([HEADER, Buffer.from([63, 1, 2, 3])]),
    Buffer.concat([HEADER, Buffer.alloc(300, 1)]),
    Buffer.concat([HEADER, chain]),
    many,
    Buffer.concat([many.subarray(0, 17), chain, many.subarray(17)]).subarray(0, 65_535),
  ];
  const start = process.cpuUsage();
  const outcomes = messages.map((m) => answer(m, { known: index.seenBy(WEB), limit: 65_535 }));
  const { user } = process.cpuUsage(start);
  for (const outcome of outcomes) expect(typeof outcome === "string" ? outcome : (outcome.reply[3] ?? 0) & 15).toBe(1);
  // As much as thousands of honest questions; not more.
  expect(user / 1000).toBeLessThan(1000);
  expect(questionOf(GOOD)).toEqual(GOOD.subarray(12, 12 + 9));
});

let lab: NetLab;
let slot: Slot;
let sockets: NetHelper;
const logged: string[] = [];
beforeAll(async () => {
  lab = new NetLab();
  lab.sh("ip link add name br0 type bridge; ip link set br0 up");
  const bridgeIndex = Number(lab.sh("cat /sys/class/net/br0/ifindex 2>/dev/null || ip -o link show br0 | cut -d: -f1"));
  const link = { dev: "eth0", bridgeIndex, mtu: 1400, mac: "02:00:00:00:00:07", addresses: [], ipv6: false };
  slot = await makeSlot(join(lab.dir, "netns"), (name) => [{ ...link, link: name, ways: [], isolated: false }]);
  const log = (line: string): void => void logged.push(line);
  sockets = new NetHelper({
    ...{ helper: helperPath(""), log, onChange: () => undefined },
    onQuery: (query) => void server.answer(query),
  });
  const server = new NameServer({ index, sockets, log, get: () => WEB, upstream: () => [] });
  await server.serve("c1", slot.path);
});
afterAll(async () => {
  await sockets.close();
  await removeSlots([slot]);
  lab.close();
});

/** Sends all that comes on its input, one message per line, then asks the good question until it is answered, and prints that answer. */
const UDP = `
  const socket = require("node:dgram").createSocket("udp4");
  const lines = require("node:fs").readFileSync(0, "utf8").split("\\n").map((l) => Buffer.from(l, "base64"));
  const last = lines.pop();
  socket.on("message", (m) => m.length > 12 && m.readUInt16BE(0) === 0xbeef && (console.log(m.toString("base64")), process.exit(0)));
  socket.bind(0, async () => {
    for (const m of lines) await new Promise((r) => socket.send(m, 53, "127.0.0.11", r));
    const ask = () => socket.send(last, 53, "127.0.0.11");
    ask(); setInterval(ask, 500);
  });`;
/** Each line is what one connection sends, in two halves; then the last one's answer. All the others stay open. */
const TCP = `
  const net = require("node:net");
  const lines = require("node:fs").readFileSync(0, "utf8").split("\\n").map((l) => Buffer.from(l, "base64"));
  const last = lines.pop();
  const open = (bytes, then) => {
    const s = net.connect(53, "127.0.0.11", () => { s.write(bytes.subarray(0, 1)); s.write(bytes.subarray(1), then); });
    s.on("error", () => then && then()); s.on("data", () => 0);
    return s;
  };
  (async () => {
    for (const m of lines) await new Promise((r) => open(m, r));
    const s = open(last); let all = Buffer.alloc(0);
    s.on("data", (b) => { all = Buffer.concat([all, b]); if (all.length > 14) { console.log(all.subarray(2).toString("base64")); process.exit(0); } });
    s.on("close", () => process.exit(4));
  })();`;

function talk(program: string, lines: Buffer[]): Promise<packet.DecodedPacket> {
  const argv = [`--net=${slot.path}`, process.execPath, "-e", program];
  const child = spawn("nsenter", argv, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin?.end(lines.map((l) => l.toString("base64")).join("\n"));
  let out = "";
  child.stdout?.on("data", (b: Buffer) => (out += b.toString()));
  return new Promise((resolve, reject) => {
    child.once("close", (code) =>
      code === 0 ? resolve(packet.decode(Buffer.from(out, "base64"))) : reject(new Error(`exit code ${code}`)),
    );
  });
}

/** The most memory that the helper has had, in KiB. */
function helperPeak(): number {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "latin1").trim().split(" ");
  const pid = children.find((p) => readFileSync(`/proc/${p}/cmdline`, "latin1").split("\0")[1] === "net");
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

const LAST = packet.encode({ type: "query", id: 0xbeef, questions: [{ type: "A", name: "web" }] });

test("over the wire: after all that rubbish a good question has its answer, and the helper is as small as before", async () => {
  const next = random(4);
  const messages = Array.from({ length: fuzzSteps(500) }, () => odd(next));
  const addresses = (reply: packet.DecodedPacket): unknown[] =>
    (reply.answers ?? []).map((a) => ("data" in a ? a.data : ""));
  expect(addresses(await talk(UDP, [...messages, LAST]))).toEqual(["10.1.0.2"]);
  // Rubbish as messages and as bytes, lengths of much that never comes, connections that stay: fewer than a place may have.
  const streams = Array.from({ length: 60 }, (_, i) => {
    if (i % 3 === 0) return Buffer.concat([Buffer.from([0xff, 0xff]), odd(next)]);
    return i % 3 === 1 ? odd(next) : Buffer.concat(messages.slice(i, i + 5).map(framed));
  });
  expect(addresses(await talk(TCP, [...streams, framed(LAST)]))).toEqual(["10.1.0.2"]);
  expect(logged).toEqual([]);
  expect(helperPeak()).toBeLessThan(16_384);
});
