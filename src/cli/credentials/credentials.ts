import type { Reference } from "../../spec/reference.ts";
import { type NameResolution, registryOf } from "../../spec/resolution.ts";
import type { Context } from "../context.ts";
import { type ConfigFile, updateConfig } from "../hosts/config-file.ts";
import { CredentialHelper } from "./helper.ts";

/** How a person proves who they are, as the Engine API takes it ("Authentication"). */
export interface AuthConfig {
  username?: string;
  password?: string;
  identitytoken?: string;
  registrytoken?: string;
  serveraddress: string;
}

/** A server's entry among `auths`: empty where a helper keeps the secret. */
interface AuthEntry {
  auth?: string;
  identitytoken?: string;
  registrytoken?: string;
}

const DOCKER_HUB = "https://index.docker.io/v1/";
const TOKEN_USER = "<token>";

/** The key of a registry in the file: Docker Hub has an address of its own. */
export function registryKey(domain: string): string {
  return domain === "docker.io" ? DOCKER_HUB : domain;
}

/**
 * What is known of a registry: from the helper that `credHelpers` or `credsStore` names, or else from `auths`. Undefined where nobody
 * logged in, and where a helper fails: the registry then says what it wants, as with docker.
 */
export async function credentialsFor(ctx: Context, domain: string): Promise<AuthConfig | undefined> {
  const key = registryKey(domain);
  const helper = helperFor(ctx, key);
  if (!helper) return fromFile(ctx.config.file, key);
  const entry = await helper.get(key).catch(() => undefined);
  return entry && { ...fromHelper(entry), serveraddress: key };
}

/** The `X-Registry-Auth` header for a registry; undefined where nobody logged in. */
export async function registryAuth(ctx: Context, domain: string): Promise<string | undefined> {
  const found = await credentialsFor(ctx, domain);
  return found && Buffer.from(JSON.stringify(found)).toString("base64url");
}

/** The `X-Registry-Auth` header for the registry that the engine asks for an image of this name. */
export async function imageAuth(ctx: Context, ref: Reference): Promise<string | undefined> {
  return registryAuth(ctx, registryOf(ref, await resolutionOf(ctx, ref.domain)));
}

/** Where the engine's configuration leads names of `domain`. It is asked only where there may be credentials for elsewhere. */
export async function resolutionOf(ctx: Context, domain: string): Promise<NameResolution> {
  const { auths = {}, credHelpers = {}, credsStore } = authPart(ctx.config.file);
  const elsewhere = [...Object.keys(auths), ...Object.keys(credHelpers)].some((key) => key !== DOCKER_HUB);
  if (domain !== "docker.io" || (!elsewhere && !credsStore)) return {};
  return engineResolution(ctx);
}

/** The registry that a login or logout without a server is for: where the engine fetches names without a registry from. */
export async function loginAddress(ctx: Context): Promise<string> {
  return (await engineResolution(ctx)).defaultRegistry ?? "docker.io";
}

/** False where nothing is kept of any registry. */
export function loggedInAnywhere(ctx: Context): boolean {
  const { auths = {}, credHelpers = {}, credsStore } = authPart(ctx.config.file);
  return credsStore !== undefined || Object.keys(auths).length + Object.keys(credHelpers).length > 0;
}

/** What the engine's configuration says of names without a registry; nothing where it does not tell. */
export async function engineResolution(ctx: Context): Promise<NameResolution> {
  const { RegistryConfig } = (await ctx.engine.system.info().catch(() => undefined)) ?? {};
  return { defaultRegistry: RegistryConfig?.DefaultRegistry, shortNames: RegistryConfig?.ShortNames ?? {} };
}

/** The `X-Registry-Config` header of a build, which may need any of them; undefined where there are none. */
export async function registryConfig(ctx: Context): Promise<string | undefined> {
  const found = await allCredentials(ctx);
  if (Object.keys(found).length === 0) return undefined;
  return Buffer.from(JSON.stringify(found)).toString("base64url");
}

/** All that this user has logged in with, by the key of the registry; from the file and from helpers. */
export async function allCredentials(ctx: Context): Promise<Record<string, AuthConfig>> {
  const { auths = {}, credHelpers = {}, credsStore } = authPart(ctx.config.file);
  const stored = credsStore
    ? Object.keys(await new CredentialHelper(credsStore, ctx.env).list().catch(() => ({})))
    : [];
  const found: Record<string, AuthConfig> = {};
  for (const server of new Set([...Object.keys(auths), ...stored, ...Object.keys(credHelpers)])) {
    const known = await credentialsFor(ctx, server === DOCKER_HUB ? "docker.io" : server);
    if (known && (known.username || known.identitytoken || known.registrytoken)) found[server] = known;
  }
  return found;
}

/** The text of a config.json that holds these credentials and nothing else. */
export function authFile(found: Record<string, AuthConfig>): string {
  const auths = Object.entries(found).map(([server, login]): [string, AuthEntry] => [server, entryOf(login)]);
  return JSON.stringify({ auths: Object.fromEntries(auths) });
}

/** Keeps credentials with their helper, or in the file, readable by the user alone. Returns true where the file now has a new secret. */
export async function storeCredentials(ctx: Context, domain: string, login: Omit<AuthConfig, "serveraddress">) {
  const key = registryKey(domain);
  const helper = helperFor(ctx, key);
  if (helper) {
    const Username = login.identitytoken ? TOKEN_USER : (login.username ?? "");
    await helper.store({ ServerURL: key, Username, Secret: login.identitytoken ?? login.password ?? "" });
  }
  const entry: AuthEntry = helper ? {} : entryOf(login);
  const before = authPart(ctx.config.file).auths?.[key]?.auth;
  updateConfig(ctx.config.dir, (file) => ({ ...file, auths: { ...authPart(file).auths, [key]: entry } }));
  return entry.auth !== undefined && entry.auth !== before;
}

/** Forgets a registry's credentials, under whatever spelling of its address they are kept. Returns the address that they have. */
export async function removeCredentials(ctx: Context, domain: string, given: string): Promise<string> {
  const key = registryKey(domain);
  const spellings = new Set([key, given || domain, domain, `http://${domain}`, `https://${domain}`]);
  // What a helper does not know is gone already.
  for (const server of spellings)
    await helperFor(ctx, server)
      ?.erase(server)
      .catch(() => undefined);
  const { auths = {} } = authPart(ctx.config.file);
  const kept = Object.entries(auths).filter(([name]) => !spellings.has(name));
  if (kept.length < Object.keys(auths).length) {
    updateConfig(ctx.config.dir, (file) => ({ ...file, auths: Object.fromEntries(kept) }));
  }
  return key;
}

interface AuthPart {
  auths?: Record<string, AuthEntry>;
  credHelpers?: Record<string, string>;
  credsStore?: string;
}

function authPart(file: ConfigFile): AuthPart {
  return file as AuthPart;
}

function helperFor({ config, env }: Context, key: string): CredentialHelper | undefined {
  const { credHelpers, credsStore } = authPart(config.file);
  const name = credHelpers?.[key] || credsStore;
  return name ? new CredentialHelper(name, env) : undefined;
}

/** Old files have a registry's whole address as its key. */
function fromFile(file: ConfigFile, key: string): AuthConfig | undefined {
  const { auths = {} } = authPart(file);
  const host = (name: string): string => name.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  const entry = auths[key] ?? Object.entries(auths).find(([name]) => host(name) === key)?.[1];
  if (!entry || (!entry.auth && !entry.identitytoken && !entry.registrytoken)) return undefined;
  const [username = "", ...rest] = Buffer.from(entry.auth ?? "", "base64")
    .toString()
    .split(":");
  // Docker pads what it keeps.
  const password = rest.join(":").replace(/\0+$/, "");
  return {
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
    ...(entry.identitytoken ? { identitytoken: entry.identitytoken } : {}),
    ...(entry.registrytoken ? { registrytoken: entry.registrytoken } : {}),
    serveraddress: key,
  };
}

function fromHelper({ Username, Secret }: { Username: string; Secret: string }): Omit<AuthConfig, "serveraddress"> {
  return Username === TOKEN_USER ? { identitytoken: Secret } : { username: Username, password: Secret };
}

function entryOf(login: Omit<AuthConfig, "serveraddress">): AuthEntry {
  const auth = Buffer.from(`${login.username ?? ""}:${login.identitytoken ? "" : (login.password ?? "")}`);
  return {
    auth: auth.toString("base64"),
    ...(login.identitytoken ? { identitytoken: login.identitytoken } : {}),
    ...(login.registrytoken ? { registrytoken: login.registrytoken } : {}),
  };
}
