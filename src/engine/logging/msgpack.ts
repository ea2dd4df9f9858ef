/** A number with nanoseconds, in fluentd's own extension type (Forward Protocol, "EventTime"). */
export interface EventTime {
  seconds: number;
  nanos: number;
}

/** What the forward protocol sends. */
export type Packable = string | Buffer | number | EventTime | Packable[] | { [key: string]: string | Buffer };

const HEADS = {
  text: { fix: [0xa0, 32], wide: [0xd9, 0xda, 0xdb] },
  list: { fix: [0x90, 16], wide: [undefined, 0xdc, 0xdd] },
  map: { fix: [0x80, 16], wide: [undefined, 0xde, 0xdf] },
} as const;
const EVENT_TIME = Buffer.of(0xd7, 0x00);

/** MessagePack. A Buffer is packed as text, whatever its bytes are, since fluentd takes log lines as text. Numbers are whole and positive. */
export function pack(value: Packable): Buffer {
  if (typeof value === "number") return packNumber(value);
  if (typeof value === "string") return packText(Buffer.from(value));
  if (Buffer.isBuffer(value)) return packText(value);
  if (Array.isArray(value)) return Buffer.concat([head("list", value.length), ...value.map(pack)]);
  if (isEventTime(value)) {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(value.seconds, 0);
    bytes.writeUInt32BE(value.nanos, 4);
    return Buffer.concat([EVENT_TIME, bytes]);
  }
  const entries = Object.entries(value);
  return Buffer.concat([head("map", entries.length), ...entries.flatMap(([key, item]) => [pack(key), pack(item)])]);
}

function isEventTime(value: EventTime | { [key: string]: string | Buffer }): value is EventTime {
  return typeof value["seconds"] === "number";
}

function packText(bytes: Buffer): Buffer {
  return Buffer.concat([head("text", bytes.length), bytes]);
}

function packNumber(value: number): Buffer {
  if (value < 0x80) return Buffer.of(value);
  const bytes = Buffer.alloc(9);
  bytes[0] = 0xcf;
  bytes.writeBigUInt64BE(BigInt(value), 1);
  return bytes;
}

function head(kind: keyof typeof HEADS, length: number): Buffer {
  const { fix, wide } = HEADS[kind];
  if (length < fix[1]) return Buffer.of(fix[0] | length);
  if (wide[0] !== undefined && length < 0x100) return Buffer.of(wide[0], length);
  if (length < 0x10000) return Buffer.of(wide[1], length >> 8, length & 0xff);
  const bytes = Buffer.alloc(5);
  bytes[0] = wide[2];
  bytes.writeUInt32BE(length, 1);
  return bytes;
}
