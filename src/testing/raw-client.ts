import { createConnection, type Socket } from "node:net";

/** A connection to a daemon's socket without any HTTP library: keeps all that has come, and waits for more. */
export class RawClient {
  bytes = Buffer.alloc(0);
  /** The daemon has closed its side. */
  ended = false;
  readonly socket: Socket;
  #wake: () => void = () => undefined;

  /** Connects and sends a request's head; `line` is its first line without the version. */
  constructor(path: string, line: string, headers: Record<string, string> = {}) {
    const head = Object.entries(headers).map(([k, v]) => `${k}: ${v}\r\n`);
    this.socket = createConnection({ path, allowHalfOpen: true });
    this.socket.on("data", (chunk: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      this.#wake();
    });
    for (const name of ["end", "error", "close"]) {
      this.socket.on(name, () => {
        this.ended = true;
        this.#wake();
      });
    }
    this.socket.write(`${line} HTTP/1.1\r\nHost: d\r\n${head.join("")}\r\n`);
  }

  send(bytes: Uint8Array | string): void {
    this.socket.write(bytes);
  }

  /** Shuts the sending side down. */
  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** All that came, each byte a character, once `done` is content with it. */
  async until(done: (text: string) => boolean): Promise<string> {
    for (;;) {
      const text = this.bytes.toString("latin1");
      if (done(text)) return text;
      if (this.ended) throw new Error(`ended with ${JSON.stringify(text)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** All that came, when the daemon has closed. */
  whole(): Promise<string> {
    return this.until(() => this.ended);
  }

  /** The answer's head. */
  async head(): Promise<string> {
    const text = await this.until((t) => t.includes("\r\n\r\n"));
    return text.slice(0, text.indexOf("\r\n\r\n"));
  }
}
