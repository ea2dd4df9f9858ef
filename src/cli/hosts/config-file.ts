import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { errnoOf, messageOf } from "../../spec/errors.ts";

/** What Berth reads of docker's `config.json`; other keys are kept as they are. */
export interface ConfigFile {
  currentContext?: string;
  cliPluginsExtraDirs?: string[];
  aliases?: Record<string, string>;
  [key: string]: unknown;
}

/** The user's configuration, shared with docker. */
export interface ClientConfig {
  /** `--config`, DOCKER_CONFIG, or `~/.docker`. */
  dir: string;
  file: ConfigFile;
  /** One line about a file that is there and cannot be read; the defaults hold then. */
  warning?: string;
}

/** The folder of the configuration. */
export function configDir(flag: string, env: NodeJS.ProcessEnv): string {
  return flag || env["DOCKER_CONFIG"] || join(env["HOME"] || homedir(), ".docker");
}

/** Reads `config.json`; one that is absent is empty. */
export function readConfig(dir: string): ClientConfig {
  const path = join(dir, "config.json");
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("want a JSON object");
    return { dir, file: value as ConfigFile };
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return { dir, file: {} };
    if (errnoOf(error) === undefined) {
      return { dir, file: {}, warning: `WARNING: Error parsing config file (${path}): ${messageOf(error)}` };
    }
    const why = errnoOf(error) === "EACCES" ? `open ${path}: permission denied` : messageOf(error);
    return { dir, file: {}, warning: `WARNING: Error loading config file: ${why}` };
  }
}

/** Changes `config.json`, readable by the user alone. Atomic; what `change` leaves alone stays. Throws where the file is broken. */
export function updateConfig(dir: string, change: (file: ConfigFile) => ConfigFile): void {
  const { file, warning } = readConfig(dir);
  if (warning !== undefined) throw new Error(warning);
  const path = join(dir, "config.json");
  const temporary = `${path}.${process.pid}.tmp`;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  writeFileSync(temporary, JSON.stringify({ auths: {}, ...change(file) }, null, "\t"), { mode: 0o600 });
  renameSync(temporary, path);
}

/** Sets the current context; `default` takes the key away. */
export function storeCurrentContext(dir: string, name: string): void {
  updateConfig(dir, ({ currentContext: _, ...rest }) =>
    name === "default" ? rest : { ...rest, currentContext: name },
  );
}
