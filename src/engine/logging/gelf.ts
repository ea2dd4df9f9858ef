import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { promisify } from "node:util";
import { deflate, gzip } from "node:zlib";
import { extraAttributes } from "./attributes.ts";
import { type Channel, dialStream, dialUdp } from "./dial.ts";
import { ATTRIBUTE_OPTIONS, checkKnown, wrong } from "./options.ts";
import { logTag } from "./tag.ts";
import type { LogDriver, LogMessage, LogSource } from "./types.ts";

const OPTIONS = ["gelf-address", "gelf-compression-type", "gelf-compression-level"];
const TCP_OPTIONS = ["gelf-tcp-max-reconnect", "gelf-tcp-reconnect-delay"];
/** GELF 1.1, "Chunking": the magic bytes, an id, number and count; what fits beside them into Docker's datagrams. */
const MAGIC = Buffer.of(0x1e, 0x0f);
const DATAGRAM = 1420;
const ID = 8;
const CHUNK = DATAGRAM - MAGIC.length - ID - 2;
const MAX_CHUNKS = 128;
const BEST_SPEED = 1;
const LEVEL = { stdout: 6, stderr: 3 } as const;
const gzipped = promisify(gzip);
const deflated = promisify(deflate);

/** GELF 1.1 over UDP, compressed and in chunks, or over TCP, each message ended by a NUL. */
export const gelf: LogDriver = {
  check(options) {
    const { host } = addressOf(options);
    checkKnown({ type: "gelf", options }, [...OPTIONS, ...TCP_OPTIONS, ...ATTRIBUTE_OPTIONS]);
    checkTransport(options, addressOf(options).scheme);
    if (host === "") throw wrong("gelf: please provide gelf-address as proto://host:port");
  },
  async open(source) {
    const { scheme, host, port } = addressOf(source.options);
    const encode = encoder(source);
    const channel = await (scheme === "udp" ? dialUdp(host, port) : dialStream({ host, port })).catch(
      (error: Error) => {
        throw new Error(`gelf: cannot connect to GELF endpoint: ${host}:${port} ${error.message}`, { cause: error });
      },
    );
    // Graylog refuses messages without text.
    const wanted = (messages: LogMessage[]): Buffer[] => messages.filter(({ line }) => line.length > 0).map(encode);
    return {
      send: (messages) =>
        scheme === "udp"
          ? sendDatagrams(channel, wanted(messages), source.options)
          : channel.write(Buffer.concat(wanted(messages).flatMap((text) => [text, Buffer.of(0)]))),
      close: () => channel.close(),
    };
  },
};

function addressOf(options: Record<string, string>): { scheme: string; host: string; port: number } {
  const text = options["gelf-address"] ?? "";
  if (text === "") throw wrong("gelf-address is a required parameter");
  const [, scheme = "", rest = ""] = /^(\w+):\/\/(.*)$/.exec(text) ?? [];
  if (scheme !== "udp" && scheme !== "tcp") throw wrong("gelf: endpoint needs to be TCP or UDP");
  const match = /^(?:\[([^\]]+)\]|([^:/]+)):(\d+)$/.exec(rest);
  if (!match) throw wrong("gelf: please provide gelf-address as proto://host:port");
  return { scheme, host: match[1] ?? match[2] ?? "", port: Number(match[3]) };
}

function checkTransport(options: Record<string, string>, scheme: string): void {
  for (const name of TCP_OPTIONS) {
    const value = options[name];
    if (value === undefined) continue;
    if (scheme === "udp") throw wrong(`"${name}" is only valid for TCP`);
    if (!/^\d{1,9}$/.test(value)) throw wrong(`"${name}" must be a positive integer`);
  }
  const { "gelf-compression-type": type, "gelf-compression-level": level } = options;
  if (scheme === "tcp" && (type !== undefined || level !== undefined))
    throw wrong("compression is only supported on UDP");
  const unknown = (name: string, value: string): Error =>
    wrong(`unknown value ${JSON.stringify(value)} for log opt "${name}" for gelf log driver`);
  if (type !== undefined && !["gzip", "zlib", "none"].includes(type)) throw unknown("gelf-compression-type", type);
  if (level !== undefined && !/^(-1|\d)$/.test(level)) throw unknown("gelf-compression-level", level);
}

function encoder({ record, options }: LogSource): (message: LogMessage) => Buffer {
  const extra = {
    _command: record.argv.join(" "),
    _container_id: record.id,
    _container_name: record.name,
    _created: new Date(record.created).toISOString(),
    _image_id: record.image,
    _image_name: record.imageName,
    _tag: logTag(record, options["tag"] || "{{.ID}}"),
    ...extraAttributes(record, options, (name) => (name.startsWith("_") ? name : `_${name}`)),
  };
  const host = hostname();
  return ({ line, stream, time }) =>
    Buffer.from(
      JSON.stringify({
        version: "1.1",
        host,
        short_message: line.toString(),
        timestamp: Date.parse(time) / 1000,
        level: LEVEL[stream],
        ...extra,
      }),
    );
}

async function sendDatagrams(channel: Channel, texts: Buffer[], options: Record<string, string>): Promise<void> {
  const type = options["gelf-compression-type"] ?? "gzip";
  const level = Number(options["gelf-compression-level"] ?? BEST_SPEED);
  for (const text of texts) {
    const body = type === "none" ? text : await (type === "gzip" ? gzipped : deflated)(text, { level });
    for (const datagram of chunked(body)) await channel.write(datagram);
  }
}

/** One datagram, or so many chunks; a message that is still too long for those is dropped, as the protocol has no place for it. */
function chunked(body: Buffer): Buffer[] {
  if (body.length <= DATAGRAM) return [body];
  const count = Math.ceil(body.length / CHUNK);
  if (count > MAX_CHUNKS) return [];
  const id = randomBytes(ID);
  return Array.from({ length: count }, (_, i) =>
    Buffer.concat([MAGIC, id, Buffer.of(i, count), body.subarray(i * CHUNK, (i + 1) * CHUNK)]),
  );
}
