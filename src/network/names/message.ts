/** Bytes before the question (RFC 1035 section 4.1.1). */
export const HEADER_BYTES = 12;
/** Codes of an answer, in the last four bits of its flags. */
export const RCODE = { formatError: 1, serverFailure: 2, noName: 3, notImplemented: 4, refused: 5 } as const;
/** Bit of the flags of a message that is an answer. */
export const RESPONSE = 0x8000;

const MOST_LABEL = 63;
const MOST_NAME = 255;
const TYPE_AND_CLASS = 4;

/** The code of an answer, which has a header. */
export function rcodeOf(message: Buffer): number {
  return message.readUInt16BE(2) & 0xf;
}

/** The bytes of a message's one question; undefined where it has none, more, or one that no name server is asked. */
export function questionOf(message: Buffer): Buffer | undefined {
  if (message.length < HEADER_BYTES || message.readUInt16BE(4) !== 1) return undefined;
  for (let at = HEADER_BYTES; at < message.length && at - HEADER_BYTES < MOST_NAME; ) {
    const label = message[at] ?? 0;
    // A question points nowhere: nothing is before it.
    if (label > MOST_LABEL) return undefined;
    at += 1 + label;
    if (label === 0)
      return at + TYPE_AND_CLASS <= message.length ? message.subarray(HEADER_BYTES, at + TYPE_AND_CLASS) : undefined;
  }
  return undefined;
}

/** True where an answer repeats the question, in whatever case; one that tells of a failure need not have any. */
export function sameQuestion(message: Buffer, reply: Buffer): boolean {
  const lower = (question: Buffer | undefined): string | undefined => question?.toString("latin1").toLowerCase();
  if (reply.readUInt16BE(4) === 0) return rcodeOf(reply) !== 0;
  return lower(questionOf(reply)) === lower(questionOf(message));
}

/** An answer without data: a code and the question, which resolvers look for in an answer, where it can be read. */
export function failure(message: Buffer, code: keyof typeof RCODE): Buffer {
  const question = questionOf(message);
  const header = Buffer.alloc(HEADER_BYTES);
  message.copy(header, 0, 0, 2);
  // Opcode and "recursion desired" are repeated; recursion is available.
  header.writeUInt16BE((message.readUInt16BE(2) & 0x7900) | RESPONSE | 0x80 | RCODE[code], 2);
  header.writeUInt16BE(question ? 1 : 0, 4);
  return Buffer.concat([header, question ?? Buffer.alloc(0)]);
}
