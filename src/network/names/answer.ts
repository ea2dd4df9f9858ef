import packet from "dns-packet";
import { formatIp, parseIp } from "../../spec/ipnet.ts";
import { ofFamily } from "./index.ts";
import { failure, HEADER_BYTES, type RCODE, RESPONSE } from "./message.ts";

/** Names change at any time: nobody should keep an answer. */
const TTL_SECONDS = 0;
const PLAIN_UDP_BYTES = 512;
const OPCODE_SHIFT = 11;
const OPCODE_MASK = 0xf;

/** What one who asks may know. */
export interface Known {
  /** The addresses of both families of a name; undefined: there is no such name here. */
  addresses(name: string): string[] | undefined;
  /** The name of an address. */
  pointer(address: string): string | undefined;
  /** What is said of a name that is not known. Absent: somebody else is asked. */
  missing?(name: string): keyof typeof RCODE;
}

/** What is to be done with a question: the answer's bytes (`keep`: the same ones each time, until what is known changes), none (rubbish that is no question), or asking somebody else. */
export type Outcome = { reply: Buffer; keep?: boolean } | "drop" | "forward";

/** Answers one message from what is known. Takes any bytes and never throws. `known` undefined: nobody we know asks, who is refused. */
export function answer(message: Buffer, context: { known: Known | undefined; limit: number }): Outcome {
  const { known, limit } = context;
  if (message.length < HEADER_BYTES || (message.readUInt16BE(2) & RESPONSE) !== 0) return "drop";
  if (!known) return { reply: failure(message, "refused") };
  if (((message.readUInt16BE(2) >> OPCODE_SHIFT) & OPCODE_MASK) !== 0)
    return { reply: failure(message, "notImplemented") };
  try {
    const query = packet.decode(message);
    const [question, ...more] = query.questions ?? [];
    if (!question || more.length > 0) return { reply: failure(message, "formatError") };
    const answers = answersTo(question, known);
    if (answers) return { reply: encoded(query, question, { answers, limit }), keep: answers.length < 2 };
    return known.missing ? { reply: failure(message, known.missing(question.name)) } : "forward";
  } catch {
    return { reply: failure(message, "formatError") };
  }
}

function answersTo(question: packet.Question, known: Known): packet.Answer[] | undefined {
  const { type } = question;
  const name = question.name.replace(/\.$/, "");
  if (type === "PTR") {
    const address = reversed(name);
    const data = address && known.pointer(address);
    return data ? [{ type: "PTR", name: question.name, ttl: TTL_SECONDS, data }] : undefined;
  }
  const found = known.addresses(name);
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
