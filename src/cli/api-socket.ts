import { dirname } from "node:path/posix";
import type { CreateBody } from "../client/containers.ts";
import { BerthError, messageOf } from "../spec/errors.ts";
import { tarStream } from "./build/tar.ts";
import type { Context } from "./context.ts";
import { type AuthConfig, allCredentials, authFile } from "./credentials/credentials.ts";

/** Where docker's command line puts what a container may log in with. */
const CONFIG_IN_CONTAINER = "/run/secrets/docker/config.json";
const SOCKET_IN_CONTAINER = "/var/run/docker.sock";

/** A container's body that has the engine's socket, and the text of the configuration that goes into it before its start; undefined: none. */
export interface WithSocket {
  body: CreateBody;
  config?: string;
}

/**
 * `--use-api-socket`, as docker's command line does it: the socket is bound into the container, and what this user logged in with goes to a file there,
 * named by DOCKER_CONFIG, where the container has no such variable of its own. Throws for an engine that has no unix socket.
 */
export async function withApiSocket(ctx: Context, body: CreateBody): Promise<WithSocket> {
  const host = ctx.engine.core.host.text;
  if (!host.startsWith("unix://")) {
    const why = `docker endpoint ${host} incompatible`;
    throw new BerthError("invalid-argument", `flag --use-api-socket can only be used with unix sockets: ${why}`);
  }
  const mount = {
    Type: "bind",
    Source: host.slice("unix://".length),
    Target: SOCKET_IN_CONTAINER,
    BindOptions: {},
  } as const;
  const HostConfig = { ...body.HostConfig, Mounts: [...(body.HostConfig?.Mounts ?? []), mount] };
  const Env = body.Env ?? [];
  const auths = Env.some((entry) => entry.startsWith("DOCKER_CONFIG=")) ? {} : await credentials(ctx);
  if (Object.keys(auths).length === 0) return { body: { ...body, HostConfig } };
  return {
    body: { ...body, HostConfig, Env: [...Env, `DOCKER_CONFIG=${dirname(CONFIG_IN_CONTAINER)}`] },
    config: authFile(auths),
  };
}

/** Puts the configuration into a container that does not run yet, readable by its root alone. */
export async function putConfig(ctx: Context, id: string, config: string): Promise<void> {
  const body = Buffer.from(config);
  async function* entries() {
    yield {
      name: CONFIG_IN_CONTAINER.slice(1),
      type: "file" as const,
      size: body.length,
      mode: 0o600,
      mtime: 0,
      body: [body],
    };
  }
  try {
    await ctx.engine.files.write(id, tarStream(entries()), { path: "/" });
  } catch (cause) {
    throw new BerthError("internal", `injecting docker config.json into container failed: ${messageOf(cause)}`, {
      cause,
    });
  }
}

async function credentials(ctx: Context): Promise<Record<string, AuthConfig>> {
  try {
    return await allCredentials(ctx);
  } catch (cause) {
    throw new BerthError("internal", `resolving credentials failed: ${messageOf(cause)}`, { cause });
  }
}
