import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BerthError, messageOf } from "../spec/errors.ts";

interface AuthFile {
  auths?: Record<string, { auth?: string }>;
  [key: string]: unknown;
}

const DOCKER_HUB = "https://index.docker.io/v1/";

/** The file that `docker login` writes, so that both tools share their credentials. */
function authPath(env: NodeJS.ProcessEnv): string {
  return join(env["DOCKER_CONFIG"] ?? join(env["HOME"] ?? "/root", ".docker"), "config.json");
}

function readAuthFile(env: NodeJS.ProcessEnv): AuthFile {
  const path = authPath(env);
  if (!existsSync(path)) return {};
  try {
    return JSON.parse(readFileSync(path, "utf8")) as AuthFile;
  } catch (error) {
    throw new BerthError("invalid-argument", `${path}: ${messageOf(error)}`, { hint: "repair or remove the file" });
  }
}

/** The key of a registry in the file: Docker Hub has an address of its own. */
export function registryKey(domain: string): string {
  return domain === "docker.io" ? DOCKER_HUB : domain;
}

/** The `X-Registry-Auth` header (Engine API, "Authentication") for a registry; undefined where nobody logged in. */
export function registryAuth(domain: string, env: NodeJS.ProcessEnv): string | undefined {
  const key = registryKey(domain);
  const stored = readAuthFile(env).auths?.[key]?.auth;
  if (!stored) return undefined;
  const [username = "", ...rest] = Buffer.from(stored, "base64").toString().split(":");
  const header = { username, password: rest.join(":"), serveraddress: key };
  return Buffer.from(JSON.stringify(header)).toString("base64url");
}

/** Keeps credentials, readable by the user alone; the other content of the file stays. Atomic. */
export function storeAuth(
  domain: string,
  login: { username: string; password: string },
  env: NodeJS.ProcessEnv,
): string {
  const file = readAuthFile(env);
  const auth = Buffer.from(`${login.username}:${login.password}`).toString("base64");
  const next = { ...file, auths: { ...file.auths, [registryKey(domain)]: { auth } } };
  return writeAuthFile(next, env);
}

/** Forgets a registry's credentials, under whatever spelling of its address they are kept. Returns the address that they have. */
export function removeAuth(domain: string, given: string, env: NodeJS.ProcessEnv): string {
  const file = readAuthFile(env);
  const key = registryKey(domain);
  const spellings = new Set([key, given, domain, `http://${domain}`, `https://${domain}`]);
  const kept = Object.entries(file.auths ?? {}).filter(([name]) => !spellings.has(name));
  if (kept.length < Object.keys(file.auths ?? {}).length) {
    writeAuthFile({ ...file, auths: Object.fromEntries(kept) }, env);
  }
  return key;
}

function writeAuthFile(content: AuthFile, env: NodeJS.ProcessEnv): string {
  const path = authPath(env);
  mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.tmp`, `${JSON.stringify(content, null, "\t")}\n`, { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
  return path;
}
