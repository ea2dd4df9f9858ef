import { once } from "node:events";
import type { Duplex } from "node:stream";
import type { RequestHandler } from "../listen.ts";

/** The head of an upgrade answer. */
export const SWITCH = { status: 101, reason: "UPGRADED", headers: { Connection: "Upgrade", Upgrade: "tcp" } } as const;

/** All that comes until the other side's half-close; unlike an iterator it leaves the writable side alone. */
export async function untilEnd(duplex: Duplex): Promise<string> {
  let seen = "";
  duplex.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  await once(duplex, "end");
  return seen;
}

/** Reads the body, takes the connection over, reads stdin to its end, and sends both back. */
export const reflect: RequestHandler = async (request) => {
  let body = "";
  for await (const chunk of request.body) body += Buffer.from(chunk).toString();
  const duplex = request.hijack(SWITCH);
  const stdin = await untilEnd(duplex);
  duplex.write(`body=${body} stdin=${stdin}`);
  duplex.end();
  return { status: 200, headers: {}, body: { kind: "hijacked" } };
};
