import { BerthError, messageOf } from "../../spec/errors.ts";
import type { Context } from "../context.ts";
import { contextName, readPem } from "./endpoint.ts";
import { type ContextMeta, ContextStore, TLS_FILES, type TlsFiles } from "./store.ts";

/** A context with its TLS material. */
export interface FullContext {
  meta: ContextMeta;
  tls: TlsFiles;
}

type DockerEndpoint = NonNullable<ContextMeta["Endpoints"]["docker"]>;

/** The contexts that this command line sees. */
export function storeOf(ctx: Context): ContextStore {
  return new ContextStore(ctx.config.dir);
}

/** The name of the context in use. */
export function currentName(ctx: Context): string {
  return contextName(ctx.globals, ctx.env, ctx.config);
}

/** The text about the context that flags and environment make. */
export const DEFAULT_ABOUT = "Current DOCKER_HOST based configuration";
const DEFAULT_DOCKER = "unix:///run/berth/berth.sock";

/** One context, `default` too. Throws `not-found` in docker's words. */
export async function fullContext(ctx: Context, name: string): Promise<FullContext> {
  const store = storeOf(ctx);
  if (name !== "default") return { meta: store.read(name), tls: store.tls(name) };
  const { defaultEndpoint } = await import("./endpoint.ts");
  const globals = { ...ctx.globals, host: ctx.globals.host ?? (ctx.env["BERTH_HOST"] || ctx.env["DOCKER_HOST"]) };
  const { host, tls, ours } = defaultEndpoint(globals, ctx.env, ctx.config);
  const { verify = true, ...pem } = tls ?? {};
  const docker = { Host: ours ? DEFAULT_DOCKER : host, SkipTLSVerify: !verify };
  return { meta: { Name: "default", Metadata: {}, Endpoints: { docker } }, tls: pem };
}

/** Reads `--docker host=…,ca=…,cert=…,key=…,skip-tls-verify=…,from=…`; throws in docker's words. */
export async function dockerEndpoint(
  ctx: Context,
  text: string,
): Promise<Pick<FullContext, "tls"> & { docker: DockerEndpoint }> {
  try {
    return await parsedEndpoint(ctx, settingsOf(text));
  } catch (error) {
    throw new BerthError("invalid-argument", `unable to create docker endpoint config: ${messageOf(error)}`);
  }
}

const KEYS = ["host", "ca", "cert", "key", "skip-tls-verify", "from"];

function settingsOf(text: string): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const pair of text.split(",").filter((part) => part !== "")) {
    const at = pair.indexOf("=");
    const key = at < 0 ? pair : pair.slice(0, at);
    if (!KEYS.includes(key)) throw new BerthError("invalid-argument", `unrecognized config key: ${key}`);
    settings[key] = at < 0 ? "" : pair.slice(at + 1);
  }
  return settings;
}

async function parsedEndpoint(ctx: Context, settings: Record<string, string>) {
  const { from, host } = settings;
  if (from) {
    const { meta, tls } = await fullContext(ctx, from);
    return { docker: meta.Endpoints.docker ?? { SkipTLSVerify: false }, tls };
  }
  const skip = settings["skip-tls-verify"] ?? "false";
  if (!["true", "false", "1", "0", ""].includes(skip)) {
    throw new BerthError("invalid-argument", `strconv.ParseBool: parsing ${JSON.stringify(skip)}: invalid syntax`);
  }
  const tls: TlsFiles = {};
  for (const key of Object.keys(TLS_FILES) as (keyof TlsFiles)[]) {
    if (settings[key]) tls[key] = readPem(settings[key]);
  }
  if (tls.ca !== undefined && !tls.ca.includes("-----BEGIN CERTIFICATE")) {
    const why = "failed to retrieve context tls info: ca.pem seems invalid";
    throw new BerthError("invalid-argument", `invalid docker endpoint options: ${why}`);
  }
  return { docker: { ...(host ? { Host: host } : {}), SkipTLSVerify: skip === "true" || skip === "1" }, tls };
}
