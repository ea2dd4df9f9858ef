import { type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";

/** A request as a line, `GET /containers/json?all=1`, and what goes with it. */
export interface Send {
  line: string;
  json?: unknown;
  body?: string | Buffer;
  headers?: Record<string, string>;
  /** Asks for `Upgrade:` to this protocol; the connection is closed once the answer's head is there. */
  upgrade?: string;
}

/** An answer: its body parsed where it is JSON, the first object of a stream of them. */
export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  body: unknown;
}

/** Sends one request to a unix socket. */
export function exchange(socketPath: string, send: Send): Promise<Answer> {
  const [method = "GET", path = "/"] = send.line.split(" ");
  const body = send.json === undefined ? send.body : JSON.stringify(send.json);
  const upgrade = send.upgrade === undefined ? {} : { Connection: "Upgrade", Upgrade: send.upgrade };
  const type = send.json === undefined ? {} : { "Content-Type": "application/json" };
  const length = body === undefined ? {} : { "Content-Length": String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const headers = { Host: "berth", ...type, ...length, ...upgrade, ...send.headers };
    const req = request({ socketPath, method, path, headers, agent: false });
    req.once("error", reject);
    req.once("response", (res) => void collect(res).then(resolve, reject));
    req.once("upgrade", (res: IncomingMessage, socket: Duplex) => {
      socket.destroy();
      resolve({ status: res.statusCode ?? 0, headers: res.headers, text: "", body: undefined });
    });
    req.end(body);
  });
}

async function collect(res: IncomingMessage): Promise<Answer> {
  const parts: Buffer[] = [];
  for await (const part of res) parts.push(part as Buffer);
  const text = Buffer.concat(parts).toString();
  const json = res.headers["content-type"]?.includes("json") === true && text !== "";
  return { status: res.statusCode ?? 0, headers: res.headers, text, body: json ? firstJson(text) : undefined };
}

function firstJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return JSON.parse(text.split("\n")[0] ?? "");
  }
}
