import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_HOST, type TlsMaterial } from "../../client/host.ts";
import { BerthError, errnoOf, messageOf } from "../../spec/errors.ts";
import type { Globals } from "../globals.ts";
import type { ClientConfig } from "./config-file.ts";

/** Which engine a command line speaks to. */
export interface Endpoint {
  host: string;
  tls?: TlsMaterial;
  /** Nobody asked for a host: one may be started. */
  ours: boolean;
}

/** The name of the context in use: `--context`, a host that was asked for (`default`), DOCKER_CONTEXT, the file's. */
export function contextName(globals: Globals, env: NodeJS.ProcessEnv, config: ClientConfig): string {
  if (globals.context !== "") return globals.context;
  if (globals.host !== undefined) return "default";
  return env["BERTH_CONTEXT"] || env["DOCKER_CONTEXT"] || config.file.currentContext || "default";
}

/**
 * Finds the engine. Loads the store of contexts only where one is in use. What is wrong is thrown by the function that it gives,
 * so that commands which need no engine work.
 */
export async function findEndpoint(
  globals: Globals,
  env: NodeJS.ProcessEnv,
  config: ClientConfig,
): Promise<() => Endpoint> {
  const name = contextName(globals, env, config);
  if (name === "default") return () => defaultEndpoint(globals, env, config);
  const { ContextStore, tlsOf } = await import("./store.ts");
  return () =>
    initialized(() => {
      const store = new ContextStore(config.dir);
      const { docker } = store.read(name).Endpoints;
      const tls = tlsOf(store.tls(name), docker?.SkipTLSVerify ?? false);
      return { host: docker?.Host || DEFAULT_HOST, ours: false, ...(tls ? { tls } : {}) };
    });
}

/** The `default` context: flags and environment. */
export function defaultEndpoint(globals: Globals, env: NodeJS.ProcessEnv, config: ClientConfig): Endpoint {
  const tls = initialized(() => tlsOfFlags(globals, env, config));
  const host = globals.host ?? DEFAULT_HOST;
  return { host, ours: globals.host === undefined, ...(tls ? { tls } : {}) };
}

function initialized<T>(find: () => T): T {
  try {
    return find();
  } catch (cause) {
    const why = `unable to resolve docker endpoint: ${messageOf(cause)}`;
    throw new BerthError("invalid-argument", `Failed to initialize: ${why}`, { cause });
  }
}

/** `--tls*` and DOCKER_TLS*, DOCKER_CERT_PATH. A certificate that nobody named may be absent, the CA may not. */
function tlsOfFlags(globals: Globals, env: NodeJS.ProcessEnv, config: ClientConfig): TlsMaterial | undefined {
  const { tls } = globals;
  const verify = tls.verify ?? Boolean(env["DOCKER_TLS_VERIFY"]);
  if (!(tls.on || tls.verify !== undefined || verify || env["DOCKER_TLS"])) return undefined;
  const folder = env["DOCKER_CERT_PATH"] || config.dir;
  const read = (given: string, name: string): string | undefined => {
    const path = given || join(folder, name);
    return given === "" && name !== "ca.pem" && !existsSync(path) ? undefined : readPem(path);
  };
  const [ca, cert, key] = [read(tls.ca, "ca.pem"), read(tls.cert, "cert.pem"), read(tls.key, "key.pem")];
  return { verify, ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
}

/** Throws `open PATH: no such file or directory`. */
export function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const why = errnoOf(error) === "ENOENT" ? "no such file or directory" : messageOf(error);
    throw new BerthError("invalid-argument", `open ${path}: ${why}`);
  }
}
