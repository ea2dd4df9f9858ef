import { chmodSync, chownSync, existsSync, readFileSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { ApiHandler } from "../api/types.ts";
import { ensureDir } from "../host/files.ts";
import { BerthError } from "../spec/errors.ts";
import { listen } from "./http/listen.ts";
import type { Logger } from "./log.ts";

const SOCKET_MODE = 0o660;

/** Listens on every host (`unix://PATH`, `tcp://HOST:PORT`). A unix socket belongs to the group `docker` where there is one. */
export async function listenAll(
  hosts: readonly string[],
  handler: ApiHandler,
  log: Logger,
): Promise<{ close(): Promise<void> }> {
  const open: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(open.map((o) => o.close()));
  };
  try {
    for (const host of hosts) open.push(await listenOne(host, handler, log));
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}

async function listenOne(host: string, handler: ApiHandler, log: Logger): Promise<{ close(): Promise<void> }> {
  const unix = /^unix:\/\/(\/.+)$/.exec(host)?.[1];
  if (unix) return listenUnix(unix, handler);
  const tcp = /^tcp:\/\/(\[[0-9a-fA-F:]+\]|[^:/]*):(\d+)\/?$/.exec(host);
  if (!tcp) {
    throw new BerthError("invalid-argument", `invalid daemon socket "${host}"`, {
      hint: "want unix:///absolute/path or tcp://HOST:PORT",
    });
  }
  log(
    "warn",
    `[SECURITY] ${host} is open without encryption and authentication: whoever reaches it is root on this host`,
  );
  return listen(handler, { host: (tcp[1] || "127.0.0.1").replace(/[[\]]/g, ""), port: Number(tcp[2]) });
}

async function listenUnix(path: string, handler: ApiHandler): Promise<{ close(): Promise<void> }> {
  ensureDir(dirname(path), 0o711);
  if (existsSync(path)) {
    if (await isAlive(path))
      throw new BerthError("conflict", `${path} is in use by another process`, { hint: "stop it or give another -H" });
    unlinkSync(path);
  }
  const before = process.umask(0o177); // Nobody else gets in before mode and group are set.
  const server = await listen(handler, { path }).finally(() => process.umask(before));
  const group = dockerGroup();
  if (group !== undefined) chownSync(path, 0, group);
  chmodSync(path, SOCKET_MODE);
  return {
    close: async () => {
      await server.close();
      if (existsSync(path)) unlinkSync(path);
    },
  };
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const client = connect(path);
    client.once("connect", () => {
      client.destroy();
      resolve(true);
    });
    client.once("error", () => resolve(false));
  });
}

function dockerGroup(): number | undefined {
  const row = /^docker:[^:]*:(\d+):/m.exec(readFileSync("/etc/group", "utf8"));
  return row ? Number(row[1]) : undefined;
}
