import { Agent, type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import { type Answer, Connection } from "./connection.ts";

/** The Engine API on a unix socket, connections kept: the same client for both engines. */
export class Socket {
  readonly #idle: Connection[] = [];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  constructor(readonly path: string) {}

  /** Sends one request and reads the answer to its end. Throws on a status of 400 and above. */
  async call(line: string, json?: unknown): Promise<Answer> {
    const [method = "GET", path = "/"] = line.split(" ");
    const connection = this.#idle.pop() ?? new Connection(this.path);
    const body = json === undefined ? "" : JSON.stringify(json);
    const about =
      json === undefined && method === "GET"
        ? ""
        : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
    const answer = await connection.send(`${method} /v1.47${path} HTTP/1.1\r\nHost: bench\r\n${about}\r\n${body}`);
    this.#idle.push(connection);
    if (answer.status >= 400) throw new Error(`${line}: ${answer.status} ${answer.text}`);
    return answer;
  }

  /** As `call`, for a JSON object. */
  async object<T>(line: string, json?: unknown): Promise<T> {
    return JSON.parse((await this.call(line, json)).text) as T;
  }

  /** The answer once its head is there, for streams. */
  open(line: string, json?: unknown): Promise<IncomingMessage> {
    return new Promise((resolve, reject) =>
      this.#send(line, json)
        .once("error", reject)
        .once("response", resolve)
        .end(json === undefined ? undefined : JSON.stringify(json)),
    );
  }

  /** The raw connection of a request that is answered with 101. */
  upgrade(line: string, json?: unknown): Promise<{ socket: Duplex; head: Buffer }> {
    return new Promise((resolve, reject) => {
      const headers = { Connection: "Upgrade", Upgrade: "tcp" };
      const sent = this.#send(line, json, headers);
      sent.once("error", reject);
      sent.once("response", (r) => reject(new Error(`${line}: ${r.statusCode}`)));
      sent.once("upgrade", (_, socket, head) => resolve({ socket, head }));
      sent.end(json === undefined ? undefined : JSON.stringify(json));
    });
  }

  close(): void {
    for (const connection of this.#idle.splice(0)) connection.close();
    this.#agent.destroy();
  }

  #send(line: string, json: unknown, more: Record<string, string> = {}): ReturnType<typeof request> {
    const [method = "GET", path = "/"] = line.split(" ");
    const body =
      json === undefined
        ? {}
        : { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(JSON.stringify(json)) };
    const agent = more["Upgrade"] === undefined ? this.#agent : false;
    return request({
      socketPath: this.path,
      method,
      path: `/v1.47${path}`,
      agent,
      headers: { Host: "bench", ...body, ...more },
    });
  }
}

/** Reads a stream to its end and counts its bytes. */
export async function drain(stream: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.byteLength;
  return bytes;
}
