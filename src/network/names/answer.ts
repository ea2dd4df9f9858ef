import packet from "dns-packet";
import { formatIp, parseIp } from "../../spec/ipnet.ts";
import type { EndpointRecord } from "../networks.ts";
import { type NameIndex, ofFamily } from "./index.ts";

const HEADER_BYTES = 12;
const TTL_SECONDS = 600;
const PLAIN_UDP_BYTES = 512;
/** Bit of a message that is an answer, the code in its last four bits (RFC 1035 section 4.1.1). */
const RESPONSE = 0x8000;
const RCODE = { formatError: 1, serverFailure: 2, notImplemented: 4, refused: 5 } as const;
const OPCODE_SHIFT = 11;
const OPCODE_MASK = 0xf;

/** What is to be done with a question: the answer's bytes, none (rubbish that is no question), or asking somebody else. */
export type Outcome = { reply: Buffer } | "drop" | "forward";

/** Answers one message of a container from the index. Takes any bytes and never throws. `asking` undefined: nobody we know, who is refused. */
export function answer(
  message: Buffer,
  context: { asking: EndpointRecord | undefined; index: NameIndex; limit: number },
): Outcome {
  if (message.length < HEADER_BYTES || (message.readUInt16BE(2) & RESPONSE) !== 0) return "drop";
  if (!context.asking) return { reply: failure(message, "refused") };
  if (((message.readUInt16BE(2) >> OPCODE_SHIFT) & OPCODE_MASK) !== 0)
    return { reply: failure(message, "notImplemented") };
  let query: packet.DecodedPacket;
  try {
    query = packet.decode(message);
  } catch {
    return { reply: failure(message, "formatError") };
  }
  const [question, ...more] = query.questions ?? [];
  if (!question || more.length > 0) return { reply: failure(message, "formatError") };
  const answers = answersTo(question, { asking: context.asking, index: context.index });
  if (!answers) return "forward";
  return { reply: encoded(query, question, { answers, limit: context.limit }) };
}

/** An answer without data: the question's header with a code. */
export function failure(message: Buffer, code: keyof typeof RCODE): Buffer {
  const reply = Buffer.alloc(HEADER_BYTES);
  message.copy(reply, 0, 0, 2);
  // Opcode and "recursion desired" are repeated.
  const flags = (message.readUInt16BE(2) & 0x7900) | RESPONSE | 0x80 | RCODE[code];
  reply.writeUInt16BE(flags, 2);
  return reply;
}

function answersTo(
  question: packet.Question,
  { asking, index }: { asking: EndpointRecord; index: NameIndex },
): packet.Answer[] | undefined {
  const { type } = question;
  const name = question.name.replace(/\.$/, "");
  if (type === "PTR") {
    const address = reversed(name);
    const data = address && index.pointer(asking, address);
    return data ? [{ type: "PTR", name: question.name, ttl: TTL_SECONDS, data }] : undefined;
  }
  const found = index.addresses(asking, name);
  if (!found) return undefined;
  const shuffled = found.map((data) => ({ data, order: Math.random() })).sort((a, b) => a.order - b.order);
  const all = shuffled.map((s) => s.data);
  const record = (kind: "A" | "AAAA"): packet.Answer[] =>
    ofFamily(all, kind === "A" ? 4 : 6).map((data) => ({ type: kind, name: question.name, ttl: TTL_SECONDS, data }));
  if (type === "A" || type === "AAAA") return record(type);
  // Other kinds of data a container has not; its name exists all the same.
  return (type as string) === "ANY" ? [...record("A"), ...record("AAAA")] : [];
}

function encoded(
  query: packet.DecodedPacket,
  question: packet.Question,
  { answers, limit }: { answers: packet.Answer[]; limit: number },
): Buffer {
  const opt = (query.additionals ?? []).find((a) => a.type === "OPT");
  const asked = opt && "udpPayloadSize" in opt ? Number(opt.udpPayloadSize) : PLAIN_UDP_BYTES;
  const most = Math.min(limit, Math.max(PLAIN_UDP_BYTES, asked));
  const recursion = (query.flags ?? 0) & packet.RECURSION_DESIRED;
  const flags = packet.RECURSION_AVAILABLE | recursion;
  const build = (some: packet.Answer[], extra: number): Buffer =>
    packet.encode({
      type: "response",
      id: query.id ?? 0,
      flags: flags | extra,
      questions: [question],
      answers: some,
      additionals: opt
        ? [
            {
              type: "OPT",
              name: ".",
              udpPayloadSize: 1232,
              extendedRcode: 0,
              ednsVersion: 0,
              flags: 0,
              flag_do: false,
              options: [],
            },
          ]
        : [],
    });
  const whole = build(answers, 0);
  return whole.length <= most ? whole : build([], packet.TRUNCATED_RESPONSE);
}

/** `4.3.2.1.in-addr.arpa` and the IPv6 form → the address; undefined for other names. */
function reversed(name: string): string | undefined {
  const lower = name.toLowerCase();
  const four = /^(.+)\.in-addr\.arpa$/.exec(lower)?.[1];
  const six = /^((?:[0-9a-f]\.){31}[0-9a-f])\.ip6\.arpa$/.exec(lower)?.[1];
  const text = four
    ? four.split(".").reverse().join(".")
    : six?.split(".").reverse().join("").match(/.{4}/g)?.join(":");
  const ip = parseIp(text ?? "");
  return ip && formatIp(ip);
}
