import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { ensureDir } from "../host/files.ts";
import { BerthError, errnoOf, messageOf } from "../spec/errors.ts";
import type { ServerTls } from "./http/bind.ts";
import { type Activity, type Address, type Listener, listen, type RequestHandler } from "./http/listen.ts";
import type { Logger } from "./log.ts";

const SOCKET_MODE = 0o660;

/** Listens on every host (`unix://PATH`, `tcp://HOST:PORT`), or on none of them. A unix socket belongs to the group `docker` where there is one. */
export async function listenAll(
  hosts: readonly string[],
  handler: RequestHandler,
  options: { log: Logger; activity: Activity; tls?: ServerTls | undefined },
): Promise<{ close(): Promise<void> }> {
  const open: Listener[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(open.map((o) => o.close()));
  };
  try {
    for (const host of hosts) open.push(await listen(handler, addressOf(host, options), options.activity));
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}

function addressOf(host: string, { log, tls }: { log: Logger; tls?: ServerTls | undefined }): Address {
  const unix = /^unix:\/\/(\/.+)$/.exec(host)?.[1];
  if (unix) {
    makeFolder(unix);
    const gid = dockerGroup();
    return { unix, mode: SOCKET_MODE, ...(gid === undefined ? {} : { gid }) };
  }
  const tcp = /^tcp:\/\/(\[[0-9a-fA-F:]+\]|[^:/]*):(\d+)\/?$/.exec(host);
  if (!tcp) {
    throw new BerthError("invalid-argument", `invalid daemon socket "${host}"`, {
      hint: "want unix:///absolute/path or tcp://HOST:PORT",
    });
  }
  const where = { host: (tcp[1] || "127.0.0.1").replace(/[[\]]/g, ""), port: Number(tcp[2]) };
  if (!tls) log("warn", `${host} is open without encryption and authentication: ${RISK}`);
  else if (!tls.ca) log("warn", `${host} takes clients without a certificate (--tlsverify is not set): ${RISK}`);
  return tls ? { ...where, tls } : where;
}

const RISK = "whoever reaches it is root on this host";

function makeFolder(socket: string): void {
  const folder = dirname(socket);
  try {
    ensureDir(folder, 0o711);
  } catch (cause) {
    const blocked = ["EEXIST", "ENOTDIR"].includes(errnoOf(cause) ?? "");
    const why = blocked ? `${folder} cannot be a folder: a file is in its way` : messageOf(cause);
    throw new BerthError("invalid-argument", `cannot listen on ${socket}: ${why}`, { cause });
  }
}

function dockerGroup(): number | undefined {
  const row = /^docker:[^:]*:(\d+):/m.exec(readFileSync("/etc/group", "utf8"));
  return row ? Number(row[1]) : undefined;
}
