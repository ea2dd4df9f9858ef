import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { readIfThere } from "../../host/files.ts";
import { BerthError, errnoOf, messageOf } from "../../spec/errors.ts";

/** Where a plugin is listening. */
export type PluginAddress = { socket: string } | PluginHost;

/** A plugin on a TCP port, of this host or another. */
export interface PluginHost {
  host: string;
  port: number;
  tls?: { ca?: Buffer; cert?: Buffer; key?: Buffer; insecure: boolean };
}

/** Where plugins are looked for, the first that has one wins (docs.docker.com, "Docker Plugin API", Plugin discovery). */
export const PLUGIN_DIRS = [
  "/run/berth/plugins",
  "/run/docker/plugins",
  "/etc/berth/plugins",
  "/etc/docker/plugins",
  "/usr/lib/docker/plugins",
];
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** The address of a plugin; undefined: there is none of that name. Throws `invalid-argument` for a file that is no description. */
export function findPlugin(dirs: readonly string[], name: string): PluginAddress | undefined {
  if (!NAME.test(name)) return undefined;
  for (const dir of dirs) {
    const socket = [join(dir, `${name}.sock`), join(dir, name, `${name}.sock`)].find(isSocket);
    if (socket) return { socket };
    const spec = textOf(join(dir, `${name}.spec`)) ?? textOf(join(dir, name, `${name}.spec`));
    if (spec !== undefined) return addressOf(name, spec.trim());
    const json = textOf(join(dir, `${name}.json`));
    if (json !== undefined) return describedBy(name, json);
  }
  return undefined;
}

/** The names of all plugins that are there. */
export function pluginNames(dirs: readonly string[]): string[] {
  const files = dirs.flatMap((dir) => {
    try {
      return readdirSync(dir, { withFileTypes: true });
    } catch {
      return []; // Most hosts have none of these folders.
    }
  });
  const names = files.map((file) => (file.isDirectory() ? file.name : file.name.replace(/\.(sock|spec|json)$/, "")));
  return [...new Set(names)].filter((name) => NAME.test(name) && isThere(dirs, name)).sort();
}

function isThere(dirs: readonly string[], name: string): boolean {
  try {
    return findPlugin(dirs, name) !== undefined;
  } catch {
    return true; // Its use tells what is wrong with it.
  }
}

function textOf(path: string): string | undefined {
  try {
    return readIfThere(path);
  } catch (error) {
    if (errnoOf(error) === "ENOTDIR" || errnoOf(error) === "EISDIR") return undefined;
    throw error;
  }
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return false;
  }
}

const bad = (name: string, why: string): BerthError =>
  new BerthError("invalid-argument", `plugin ${JSON.stringify(name)}: ${why}`, {
    hint: "unix:///path/of/socket or tcp://host:port",
  });

function addressOf(name: string, text: string): PluginAddress & { host?: string } {
  const [, scheme, rest = ""] = /^(unix|tcp|http|https):\/\/(.+)$/.exec(text) ?? [];
  if (scheme === "unix") return { socket: rest };
  const [, host = "", port] = /^\[?([^\]/]+?)\]?:(\d+)\/?$/.exec(rest) ?? [];
  if (scheme === undefined || host === "") throw bad(name, `no address: ${JSON.stringify(text.slice(0, 200))}`);
  return { host, port: Number(port) };
}

/** `{"Name", "Addr", "TLSConfig": {"InsecureSkipVerify", "CAFile", "CertFile", "KeyFile"}}`. */
function describedBy(name: string, json: string): PluginAddress {
  try {
    const { Addr, TLSConfig: tls } = JSON.parse(json) as { Addr?: string; TLSConfig?: Record<string, unknown> };
    const address = addressOf(name, String(Addr ?? ""));
    if (!tls || !("port" in address)) return address;
    const file = (key: string): Buffer | undefined => (tls[key] ? readFileSync(String(tls[key])) : undefined);
    const [ca, cert, key] = [file("CAFile"), file("CertFile"), file("KeyFile")];
    const own = { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
    return { ...address, tls: { ...own, insecure: tls["InsecureSkipVerify"] === true } };
  } catch (error) {
    throw error instanceof BerthError ? error : bad(name, messageOf(error));
  }
}
