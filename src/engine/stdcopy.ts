const HEADER = 8;
const LENGTH_AT = 4;

/** One frame of Docker's multiplexed stream (Engine API, "Attach to a container", stream format): type, three zeros, big-endian length, bytes. */
export function frame(stream: "stdout" | "stderr", bytes: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(HEADER + bytes.length);
  out.writeUInt32BE(stream === "stdout" ? 0x01000000 : 0x02000000, 0);
  out.writeUInt32BE(bytes.length, LENGTH_AT);
  out.set(bytes, HEADER);
  return out;
}

/** Splits a multiplexed stream into its frames, however it is chunked. */
export function unframer(
  deliver: (stream: "stdout" | "stderr", bytes: Uint8Array) => void,
): (chunk: Uint8Array) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    while (rest.length >= HEADER) {
      const end = HEADER + rest.readUInt32BE(LENGTH_AT);
      if (rest.length < end) return;
      deliver(rest[0] === 2 ? "stderr" : "stdout", rest.subarray(HEADER, end));
      rest = rest.subarray(end);
    }
  };
}
