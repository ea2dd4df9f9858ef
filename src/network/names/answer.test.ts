import { describe, expect, test } from "bun:test";
import packet from "dns-packet";
import type { EndpointRecord } from "../networks.ts";
import type { Endpoint } from "../types.ts";
import { answer } from "./answer.ts";
import { NameIndex } from "./index.ts";

/** The decoder gives the code's name, which its types leave out. */
function decode(message: Buffer): packet.DecodedPacket & { rcode?: string } {
  return packet.decode(message);
}

function on(network: string, ip: string, more: Partial<Endpoint> = {}): Endpoint {
  const base = { network, networkId: `id-${network}`, endpointId: `e-${ip}`, prefix: 24, gateway: "", mac: "" };
  return { ...base, ip, ...more };
}

function record(name: string, first: Endpoint, ...more: Endpoint[]): EndpointRecord {
  return { ...first, containerId: name, name, ports: {}, more };
}

const WEB = record("web", on("front", "10.1.0.2", { names: ["web", "www", "aabbccddeeff"] }));
const TWIN = record("twin", on("front", "10.1.0.3", { names: ["twin", "www"] }));
const BOTH = record(
  "both",
  on("front", "10.1.0.4", { names: ["both"], links: { db: "web" } }),
  on("back", "10.2.0.4", { names: ["both"], ip6: { ip: "fd00::4", prefix: 64, gateway: "" } }),
);
const STORE = record(
  "store",
  on("back", "10.2.0.5", { names: ["store", "www"], ip6: { ip: "fd00::5", prefix: 64, gateway: "" } }),
);
const ALL = [WEB, TWIN, BOTH, STORE];
const index = new NameIndex(() => ALL);

type Kind = "A" | "AAAA" | "PTR" | "MX" | "ANY";

function query(name: string, type: Kind = "A", more: Partial<packet.Packet> = {}): Buffer {
  return packet.encode({
    type: "query",
    id: 4711,
    flags: packet.RECURSION_DESIRED,
    questions: [{ type: type as "A", name }],
    ...more,
  });
}

function ask(asking: EndpointRecord | undefined, name: string, type: Kind = "A"): string[] | string {
  const outcome = answer(query(name, type), { known: asking && index.seenBy(asking), limit: 1232 });
  if (outcome === "drop" || outcome === "forward") return outcome;
  const reply = decode(outcome.reply);
  expect(reply.id).toBe(4711);
  if (reply.rcode !== "NOERROR") return String(reply.rcode);
  expect(reply.questions?.[0]?.name).toBe(name);
  return (reply.answers ?? []).map((a) => ("data" in a ? `${a.type} ${String(a.data)}` : a.type)).sort();
}

describe("names of a network", () => {
  test.each([
    [BOTH, "web", "A", ["A 10.1.0.2"]],
    [BOTH, "WeB", "A", ["A 10.1.0.2"]],
    [BOTH, "aabbccddeeff", "A", ["A 10.1.0.2"]],
    [WEB, "web", "A", ["A 10.1.0.2"]],
    [WEB, "www", "A", ["A 10.1.0.2", "A 10.1.0.3"]],
    [BOTH, "www", "A", ["A 10.1.0.2", "A 10.1.0.3"]],
    [STORE, "www", "A", ["A 10.2.0.5"]],
    [BOTH, "store", "A", ["A 10.2.0.5"]],
    [BOTH, "store", "AAAA", ["AAAA fd00::5"]],
    [BOTH, "store", "ANY", ["A 10.2.0.5", "AAAA fd00::5"]],
    [WEB, "twin", "AAAA", []],
    [WEB, "twin", "MX", []],
    [BOTH, "web.front", "A", ["A 10.1.0.2"]],
    [BOTH, "www.back", "A", ["A 10.2.0.5"]],
    [WEB, "store", "A", "forward"],
    [WEB, "store.back", "A", "forward"],
    [WEB, "example.com", "A", "forward"],
    [BOTH, "db", "A", ["A 10.1.0.2"]],
    [WEB, "db", "A", "forward"],
    [BOTH, "2.0.1.10.in-addr.arpa", "PTR", ["PTR web.front"]],
    [BOTH, "5.0.2.10.in-addr.arpa", "PTR", ["PTR store.back"]],
    [WEB, "5.0.2.10.in-addr.arpa", "PTR", "forward"],
    [BOTH, `5.${"0.".repeat(27)}0.d.f.ip6.arpa`, "PTR", "forward"],
    [BOTH, `5.${"0.".repeat(28)}0.d.f.ip6.arpa`, "PTR", ["PTR store.back"]],
    [BOTH, "x.in-addr.arpa", "PTR", "forward"],
    [undefined, "web", "A", "REFUSED"],
  ] as [EndpointRecord | undefined, string, Kind, string[] | string][])("%#: %p", (asking, name, type, expected) => {
    expect(ask(asking, name, type)).toEqual(expected);
  });

  test("follow what happens: a rename, an end and a start are seen at once", () => {
    let all = [WEB, TWIN];
    const changing = new NameIndex(() => all);
    expect(changing.addresses(WEB, "twin")).toEqual(["10.1.0.3"]);
    all = [WEB, { ...TWIN, names: ["other"] }];
    changing.changed();
    expect([changing.addresses(WEB, "twin"), changing.addresses(WEB, "other")]).toEqual([undefined, ["10.1.0.3"]]);
    all = [WEB];
    changing.changed();
    expect(changing.addresses(WEB, "other")).toBeUndefined();
    expect(changing.owner("id-front", "10.1.0.3")).toBeUndefined();
    expect(changing.owner("id-front", "10.1.0.2")?.name).toBe("web");
    expect(changing.owner("id-back", "10.1.0.2")).toBeUndefined();
  });

  test("many answers are cut for UDP unless the asker has room, and whole over TCP", () => {
    const crowd = Array.from({ length: 60 }, (_, i) =>
      record(`c${i}`, on("big", `10.3.0.${i + 2}`, { names: ["all"] })),
    );
    const [asking = WEB] = crowd;
    const big = new NameIndex(() => crowd);
    const decoded = (limit: number, additionals: packet.Answer[] = []): packet.DecodedPacket => {
      const outcome = answer(query("all", "A", { additionals }), { known: big.seenBy(asking), limit });
      if (typeof outcome === "string") throw new Error(outcome);
      return packet.decode(outcome.reply);
    };
    const opt = { type: "OPT", name: ".", udpPayloadSize: 4096, flags: 0, options: [] } as unknown as packet.Answer;
    expect([decoded(1232).flag_tc, decoded(1232).answers?.length]).toEqual([true, 0]);
    expect([decoded(1232, [opt]).flag_tc, decoded(1232, [opt]).answers?.length]).toEqual([false, 60]);
    expect([decoded(65535, [opt]).flag_tc, decoded(65535, [opt]).answers?.length]).toEqual([false, 60]);
  });
});

describe("bytes that are no question", () => {
  const outcome = (message: Buffer): string => {
    const result = answer(message, { known: index.seenBy(WEB), limit: 1232 });
    return typeof result === "string" ? result : String(decode(result.reply).rcode);
  };

  test("too short, and answers, are dropped; broken ones get a format error; other operations are not known", () => {
    expect(outcome(Buffer.alloc(0))).toBe("drop");
    expect(outcome(Buffer.alloc(11))).toBe("drop");
    expect(outcome(query("web", "A", { type: "response" }))).toBe("drop");
    expect(outcome(Buffer.alloc(12))).toBe("FORMERR");
    expect(outcome(query("web").subarray(0, 15))).toBe("FORMERR");
    const two = packet.encode({
      type: "query",
      id: 1,
      questions: [
        { type: "A", name: "a" },
        { type: "A", name: "b" },
      ],
    });
    expect(outcome(two)).toBe("FORMERR");
    const update = query("web");
    update.writeUInt16BE(5 << 11, 2);
    expect(outcome(update)).toBe("NOTIMP");
  });

  test("a name that points at itself ends", () => {
    const loop = Buffer.concat([query("x").subarray(0, 12), Buffer.from([0xc0, 0x0c, 0, 1, 0, 1])]);
    expect(outcome(loop)).toBe("FORMERR");
  });
});
