import { connect } from "node:net";

const END_OF_HEAD = Buffer.from("\r\n\r\n");
const LAST_CHUNK = Buffer.from("\r\n0\r\n\r\n");

/** What came back: the status and the body as text, chunk sizes taken out. */
export interface Answer {
  status: number;
  text: string;
}

/** One kept HTTP/1.1 connection that carries one request at a time, with as little work as possible: what the client costs is in every engine's time. */
export class Connection {
  readonly #socket;
  #have: Buffer[] = [];
  #waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined;

  constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.on("data", (chunk: Buffer) => this.#take(chunk));
    this.#socket.on("error", (error) => this.#fail(error));
    this.#socket.on("close", () => this.#fail(new Error("the connection was closed")));
  }

  /** Sends a whole request and resolves with its answer. */
  send(request: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  #take(chunk: Buffer): void {
    this.#have.push(chunk);
    const bytes = this.#have.length === 1 ? chunk : Buffer.concat(this.#have);
    const answer = parse(bytes);
    if (answer === undefined) return;
    this.#have = [];
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(answer);
  }
}

/** The answer, or undefined while it is not whole (RFC 9112 section 6.3). */
function parse(bytes: Buffer): Answer | undefined {
  const end = bytes.indexOf(END_OF_HEAD);
  if (end < 0) return undefined;
  const head = bytes.toString("latin1", 0, end);
  const status = Number(head.slice(9, 12));
  const body = bytes.subarray(end + END_OF_HEAD.length);
  if (status === 204 || status === 304) return { status, text: "" };
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return body.length < Number(length) ? undefined : { status, text: body.toString() };
  // Only the end is looked at; the same five bytes could end a chunk in theory, and do not in what engines answer.
  const whole = body.subarray(-LAST_CHUNK.length).equals(LAST_CHUNK) || body.equals(LAST_CHUNK.subarray(2));
  return whole ? { status, text: withoutChunks(body) } : undefined;
}

function withoutChunks(body: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = body.indexOf("\r\n", at);
    const size = Number.parseInt(body.toString("latin1", at, line), 16);
    if (!(size > 0)) return Buffer.concat(parts).toString();
    parts.push(body.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}
