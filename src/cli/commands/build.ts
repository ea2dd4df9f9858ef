import { rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Query } from "../../client/transport.ts";
import { isGitUrl } from "../../spec/git-context.ts";
import { type PackedContext, packDockerfile, packFolder } from "../build/context.ts";
import { gitFolder } from "../build/git.ts";
import { saySending } from "../build/sending.ts";
import { contextFromStdin, readAll } from "../build/stdin.ts";
import { command } from "../command.ts";
import type { Context } from "../context.ts";
import { registryConfig } from "../credentials/credentials.ts";
import { ExitError } from "../exit.ts";
import { requireExperimental } from "../experimental.ts";
import type { FlagTable, FlagValues } from "../flags.ts";
import { proxyVariables } from "../hosts/preferences.ts";
import { pairs } from "../options/env.ts";
import { RESOURCE_FLAGS } from "../options/resource-flags.ts";
import { extraHost, imageName, ulimit } from "../options/resources.ts";
import { showProgress } from "../progress.ts";

const FLAGS = {
  "add-host": { kind: "list", help: "Add a line to /etc/hosts of RUN, name:ip" },
  "build-arg": { kind: "list", help: "Give an ARG its value, or pass this shell's on" },
  "cache-from": { kind: "list", type: "strings", help: "Take steps from these images where they are the same" },
  "cgroup-parent": { kind: "string", help: "Cgroup below which RUN runs" },
  compress: { kind: "bool", help: "Taken for compatibility" },
  "cpu-period": RESOURCE_FLAGS["cpu-period"],
  "cpu-quota": RESOURCE_FLAGS["cpu-quota"],
  "cpu-shares": RESOURCE_FLAGS["cpu-shares"],
  "cpuset-cpus": RESOURCE_FLAGS["cpuset-cpus"],
  "cpuset-mems": RESOURCE_FLAGS["cpuset-mems"],
  "disable-content-trust": { kind: "bool", help: "Taken for compatibility", fallback: true },
  file: { kind: "string", short: "f", help: "The Dockerfile; - reads it from standard input" },
  "force-rm": { kind: "bool", help: "Taken for compatibility" },
  iidfile: { kind: "string", help: "Write the image's id to this file" },
  isolation: { kind: "string", help: "Only default" },
  label: { kind: "list", help: "Set a label of the image" },
  memory: RESOURCE_FLAGS.memory,
  "memory-swap": RESOURCE_FLAGS["memory-swap"],
  network: { since: 25, kind: "string", help: "Network of RUN", fallback: "default" },
  "no-cache": { kind: "bool", help: "Run every step anew" },
  platform: { since: 38, kind: "string", help: "Platform of the image" },
  pull: { kind: "bool", help: "Ask the registry for newer base images first" },
  quiet: { kind: "bool", short: "q", help: "Print nothing but the image's id" },
  rm: { kind: "bool", help: "Taken for compatibility", fallback: true },
  "security-opt": { kind: "list", type: "strings", help: "Not supported" },
  "shm-size": RESOURCE_FLAGS["shm-size"],
  squash: { since: 25, kind: "bool", help: "Make one layer of what the build made" },
  tag: { kind: "list", short: "t", help: "Name of the image, name:tag" },
  target: { kind: "string", help: "Build up to this stage" },
  ulimit: RESOURCE_FLAGS.ulimit,
} as const satisfies FlagTable;

type Flags = FlagValues<typeof FLAGS>;

/** `berth build PATH | -`. The exit code is that of a failed RUN, as Docker's. */
export default command({
  usage: "[OPTIONS] PATH | URL | -",
  summary: "Build an image from a Dockerfile",
  args: [1, 1],
  flags: FLAGS,
  async run(ctx, { flags, args: [where = ""] }) {
    const query = buildQuery(flags, ctx);
    if (flags.squash) await requireExperimental(ctx, '"--squash"');
    if (flags.iidfile !== "") rmSync(flags.iidfile, { force: true });
    await using fetched = isGitUrl(where) ? await gitFolder(where, ctx.env) : undefined;
    const remote = !fetched && /^https?:\/\//.test(where);
    const packed: PackedContext = remote
      ? { tar: nothing(), dockerfile: flags.file }
      : await pack(ctx, fetched?.folder ?? where, fetched ? inside(fetched.folder, flags.file) : flags.file);
    let id = "";
    let said = "";
    // A quiet build tells what was said where it fails.
    let unsaid = "";
    const note = (text: string): void => {
      unsaid += text;
    };
    const say = flags.quiet ? note : (text: string): void => ctx.io.out(text);
    const lines = ctx.engine.images.build(
      remote ? packed.tar : saySending(packed.tar, say),
      { ...query, ...(remote ? { remote: where } : {}), dockerfile: packed.dockerfile },
      { auths: await registryConfig(ctx) },
    );
    try {
      await showProgress(ctx, lines, {
        quiet: flags.quiet,
        onText: (text) => {
          said = text.trim() || said;
          if (flags.quiet) note(text);
        },
        onAux: (aux) => {
          id = aux.ID ?? id;
        },
      });
    } catch (error) {
      ctx.io.err(flags.quiet ? unsaid : "");
      const code = error instanceof Error && "buildCode" in error ? Number(error.buildCode) : 0;
      if (code > 0 && error instanceof Error) throw new ExitError(code, error.message);
      throw error;
    }
    // With `q` the engine's one line is the id; older ones send no aux.
    if (flags.quiet) ctx.io.out(`${id || said}\n`);
    if (flags.iidfile !== "") writeFileSync(flags.iidfile, flags.quiet ? `${id || said}\n` : id || said);
    return 0;
  },
});

/** In a repository the Dockerfile's name is relative to the context. */
function inside(folder: string, file: string): string {
  return file === "" || file === "-" ? file : resolve(folder, file);
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function pack(ctx: Context, where: string, file: string): Promise<PackedContext> {
  if (where === "-" && file === "-") {
    throw new ExitError(1, "invalid argument: can't use stdin for both build context and dockerfile");
  }
  if (where !== "-") return packFolder(where, file === "-" ? await readAll(ctx.io.stdin()) : file);
  const context = await contextFromStdin(ctx.io.stdin(), file);
  return "text" in context ? packDockerfile(context.text) : context;
}

/** Build arguments: a name alone takes this shell's value, and is sent as null where the shell has none. The configured proxies come after them. */
function buildArgs(texts: readonly string[], ctx: Context): Record<string, string | null> {
  const given = Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf("=");
      return equals < 0 ? [text, ctx.env[text] ?? null] : [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
  const proxies = proxyVariables(ctx.config.file, ctx.engine.core.host.text, (name) => name in given);
  return { ...given, ...Object.fromEntries(proxies) };
}

function buildQuery(flags: Flags, ctx: Context): Query {
  const json = (value: object): string | undefined =>
    Object.keys(value).length === 0 ? undefined : JSON.stringify(value);
  return {
    t: flags.tag.map((tag) => imageName(tag, "-t, --tag")),
    buildargs: json(buildArgs(flags["build-arg"], ctx)),
    labels: json(pairs(flags.label)),
    target: flags.target || undefined,
    nocache: flags["no-cache"],
    pull: flags.pull,
    q: flags.quiet,
    rm: flags.rm ? "1" : "0",
    forcerm: flags["force-rm"],
    networkmode: flags.network,
    platform: flags.platform || undefined,
    extrahosts: flags["add-host"].map(extraHost),
    cachefrom: json(flags["cache-from"]),
    cgroupparent: flags["cgroup-parent"] || undefined,
    cpuperiod: flags["cpu-period"] || undefined,
    cpuquota: flags["cpu-quota"] || undefined,
    cpushares: flags["cpu-shares"] || undefined,
    cpusetcpus: flags["cpuset-cpus"] || undefined,
    cpusetmems: flags["cpuset-mems"] || undefined,
    memory: flags.memory || undefined,
    memswap: flags["memory-swap"] || undefined,
    shmsize: flags["shm-size"] || undefined,
    ulimits: json(flags.ulimit.map(ulimit)),
    securityopt: flags["security-opt"],
    isolation: flags.isolation || undefined,
    squash: flags.squash,
    version: "1",
  };
}
