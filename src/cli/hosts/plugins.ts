import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { accessSync, constants, readdirSync } from "node:fs";
import { constants as osConstants } from "node:os";
import { join } from "node:path";
import { errnoOf } from "../../spec/errors.ts";
import type { ClientConfig } from "./config-file.ts";

/** A program that adds a command, with what it says of itself. `Err`: why it cannot be used. */
export interface Plugin {
  SchemaVersion?: string;
  Vendor?: string;
  Version?: string;
  ShortDescription?: string;
  Name: string;
  Path: string;
  Err?: string;
}

const SYSTEM = ["/usr/local/lib", "/usr/local/libexec", "/usr/lib", "/usr/libexec"].map(
  (dir) => `${dir}/docker/cli-plugins`,
);
const NAME = /^[a-z][a-z0-9]*$/;
const HANDSHAKE = "docker-cli-plugin-metadata";
const SCHEMA = "0.1.0";
const SIGNAL_BASE = 128;
const FORWARDED = ["SIGTERM", "SIGHUP", "SIGINT"] as const;

/** The folders of plugins, in docker's order: the first that has a name wins. */
function folders({ dir, file }: ClientConfig): string[] {
  return [...(file.cliPluginsExtraDirs ?? []), join(dir, "cli-plugins"), ...SYSTEM];
}

/** All plugins by name, each asked for its metadata. */
export function allPlugins(config: ClientConfig): Plugin[] {
  const found = new Map<string, string>();
  for (const folder of folders(config)) {
    for (const name of namesIn(folder)) if (!found.has(name)) found.set(name, join(folder, `docker-${name}`));
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, path]) => described(name, path));
}

/** The plugin that is a command's; undefined where there is none that can be used. */
export function findPlugin(config: ClientConfig, name: string): Plugin | undefined {
  if (!NAME.test(name)) return undefined;
  const path = folders(config)
    .map((folder) => join(folder, `docker-${name}`))
    .find(isProgram);
  const plugin = path === undefined ? undefined : described(name, path);
  return plugin?.Err === undefined ? plugin : undefined;
}

function namesIn(folder: string): string[] {
  try {
    const names = readdirSync(folder).flatMap((file) => /^docker-(.*)$/.exec(file)?.[1] ?? []);
    return names.filter((name) => NAME.test(name) && isProgram(join(folder, `docker-${name}`)));
  } catch {
    return []; // No such folder, or none of ours to read.
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function described(name: string, path: string): Plugin {
  const fail = (Err: string): Plugin => ({ Name: name, Path: path, Err });
  const asked = spawnSync(path, [HANDSHAKE], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  if (asked.error) return fail(`failed to fetch metadata: ${errnoOf(asked.error) ?? asked.error.message}`);
  if (asked.status !== 0) return fail(`failed to fetch metadata: exit status ${asked.status}`);
  let said: Partial<Plugin>;
  try {
    said = JSON.parse(asked.stdout) as Partial<Plugin>;
  } catch {
    return fail("invalid metadata: not JSON");
  }
  const { SchemaVersion = "", Vendor } = said;
  if (SchemaVersion !== SCHEMA)
    return fail(`plugin SchemaVersion ${JSON.stringify(SchemaVersion)} is not valid, must be 0.1.0`);
  if (!Vendor) return fail("plugin metadata does not define a vendor");
  return { ...said, Name: name, Path: path };
}

/** Runs a plugin in our place: our streams, signals passed on, its exit code. */
export function runPlugin(plugin: Plugin, argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const own = { DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND: process.argv0 };
  let child: ChildProcess | undefined;
  // From before it runs: a signal that comes early is not ours to end by.
  const listeners = FORWARDED.map((signal) => {
    // A terminal's ctrl-C reaches the plugin by itself.
    const pass = (): void => void (signal === "SIGINT" && process.stdin.isTTY ? undefined : child?.kill(signal));
    process.on(signal, pass);
    return () => process.off(signal, pass);
  });
  const started = spawn(plugin.Path, [...argv], { stdio: "inherit", env: { ...env, ...own } });
  child = started;
  return new Promise<number>((resolve, reject) => {
    started.once("error", reject);
    started.once("exit", (code, signal) => resolve(code ?? SIGNAL_BASE + (signal ? osConstants.signals[signal] : 0)));
  }).finally(() => {
    for (const stop of listeners) stop();
  });
}
