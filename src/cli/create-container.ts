import { existsSync, rmSync, writeFileSync } from "node:fs";
import type { CreateBody } from "../client/containers.ts";
import { BerthError, isKind, messageOf } from "../spec/errors.ts";
import { familiarString, parseReference, withDefaultTag } from "../spec/reference.ts";
import { putConfig, type WithSocket, withApiSocket } from "./api-socket.ts";
import type { Context } from "./context.ts";
import { proxyVariables } from "./hosts/preferences.ts";
import type { ContainerFlags } from "./options/body.ts";
import { caller, withCaller } from "./options/caller.ts";
import { pullImage } from "./pull.ts";

/** Creates the container, pulling its image where `--pull` says so, and writes the cidfile. Returns the id; warnings go to stderr. */
export async function createContainer(ctx: Context, body: CreateBody, flags: ContainerFlags): Promise<string> {
  if (flags.cidfile && existsSync(flags.cidfile)) {
    const path = flags.cidfile;
    throw new BerthError(
      "conflict",
      `container ID file found, make sure the other container isn't running or delete ${path}`,
    );
  }
  // A name that cannot be an image's is the caller's mistake: the engine is not asked.
  if (body.Image) parseImageName(body.Image);
  if (flags.pull === "always") await pull(ctx, body.Image ?? "", flags);
  const wanted: WithSocket = flags["use-api-socket"] ? await withApiSocket(ctx, body) : { body };
  if (flags.cidfile) writeIdFile(flags.cidfile, "");
  const final = withMe(ctx, withProxies(ctx, wanted.body));
  const created = await createOrPull(ctx, final, flags).catch((error: unknown) => {
    if (flags.cidfile) rmSync(flags.cidfile, { force: true });
    throw error;
  });
  if (wanted.config !== undefined) await putConfig(ctx, created.Id, wanted.config);
  for (const warning of created.Warnings ?? []) ctx.io.err(`WARNING: ${warning}\n`);
  if (flags.cidfile) writeIdFile(flags.cidfile, created.Id);
  return created.Id;
}

/** A file that cannot be made is known before there is a container. */
function writeIdFile(path: string, id: string): void {
  try {
    writeFileSync(path, id, { mode: 0o644 });
  } catch (error) {
    // Node's "ENOENT: no such file or directory, open '/path'".
    const why = messageOf(error).replace(/^[A-Z]+: (.*?), .*$/, "$1");
    throw new BerthError("conflict", `failed to create the container ID file: open ${path}: ${why}`, { cause: error });
  }
}

/** The configured proxies are variables of every container that has none of its own. */
function withProxies(ctx: Context, body: CreateBody): CreateBody {
  const Env = body.Env ?? [];
  const names = new Set(Env.map((entry) => entry.split("=", 1)[0]));
  const proxies = proxyVariables(ctx.config.file, ctx.engine.core.host.text, (name) => names.has(name));
  return proxies.length === 0
    ? body
    : { ...body, Env: [...Env, ...proxies.map(([name, value]) => `${name}=${value}`)] };
}

/** The ids of who calls mean something where the engine is on this machine. */
function withMe(ctx: Context, body: CreateBody): CreateBody {
  if (!body.HostConfig || !ctx.engine.core.host.text.startsWith("unix://")) return body;
  const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  return { ...body, HostConfig: withCaller(body.HostConfig, caller(ctx.env, self)) };
}

async function createOrPull(
  ctx: Context,
  body: CreateBody,
  flags: ContainerFlags,
): Promise<{ Id: string; Warnings?: string[] }> {
  const query = { name: flags.name || undefined, platform: flags.platform || undefined };
  try {
    return await ctx.engine.containers.create(body, query);
  } catch (error) {
    const missing =
      isKind(error, "not-found") && /no such image|does not match the specified platform/i.test(String(error));
    if (!missing || flags.pull !== "missing") throw error;
    const name = familiarString(withDefaultTag(parseReference(body.Image ?? "")));
    if (!flags.quiet) ctx.io.err(`Unable to find image '${name}' locally\n`);
    await pull(ctx, body.Image ?? "", flags);
    return ctx.engine.containers.create(body, query);
  }
}

async function pull(ctx: Context, image: string, flags: ContainerFlags): Promise<void> {
  await pullImage(ctx, image, { platform: flags.platform, quiet: flags.quiet, to: "err" });
}

function parseImageName(image: string): void {
  if (!/^(sha256:)?[0-9a-f]{64}$/.test(image)) parseReference(image);
}
