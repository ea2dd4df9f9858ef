import { engineClient } from "../client/client.ts";
import { statusOf } from "../client/errors.ts";
import type { EngineHost } from "../client/host.ts";
import { BerthError, messageOf } from "../spec/errors.ts";
import { absentCommand } from "./absent.ts";
import { type Command, UsageError } from "./command.ts";
import type { Loader } from "./commands.ts";
import type { CliOptions, Context } from "./context.ts";
import { ExitError } from "./exit.ts";
import { conflictIn, type Globals, parseGlobals } from "./globals.ts";
import { type ClientConfig, configDir, readConfig } from "./hosts/config-file.ts";
import { contextName, type Endpoint, findEndpoint } from "./hosts/endpoint.ts";
import { customHeaders } from "./hosts/preferences.ts";
import { OutputClosed, processIo } from "./io.ts";
import { findPlace, type Place } from "./tree.ts";

const PIPE_CLOSED = 141;
const FLAG_ERROR = 125;

/**
 * Runs one command line, without the program's name, and returns its exit code: 0, the container's own, 125 for usage and
 * engine errors of `run` and the like, 1 for other failures. Prints to `options.io`; throws nothing that it expects.
 */
export async function runCli(argv: string[], options: CliOptions = {}): Promise<number> {
  const io = options.io ?? processIo();
  const fail = (text: string, code: number): number => {
    io.err(`${text}\n`);
    return code;
  };
  let globals: Globals;
  try {
    globals = parseGlobals(argv, options.env ?? process.env);
  } catch (error) {
    return fail(
      `${messageOf(error)}\n\nUsage:  berth [OPTIONS] COMMAND [ARG...]\n\nRun 'berth --help' for more information`,
      125,
    );
  }
  const conflict = conflictIn(globals);
  if (conflict !== undefined) return fail(conflict, 1);
  try {
    const config = readConfig(configDir(globals.config, options.env ?? process.env));
    if (config.warning !== undefined) io.err(`${config.warning}\n`);
    return await dispatch({ globals, config, options: { ...options, io } });
  } catch (error) {
    if (error instanceof OutputClosed) return PIPE_CLOSED;
    if (globals.debug && error instanceof Error) io.err(`${error.stack}\n`);
    return fail(error instanceof BerthError ? error.message : `berth: ${messageOf(error)}`, 1);
  }
}

type Settings = CliOptions & Required<Pick<CliOptions, "io">>;

async function dispatch(program: Program): Promise<number> {
  const { globals, options } = program;
  const { io } = options;
  if (globals.version) {
    io.out(`Berth version ${options.version ?? "dev"}\n`);
    return 0;
  }
  if (globals.help === "short") io.err(SHORT_HELP);
  // `berth --help ps` is `berth ps --help`.
  const { words } = findPlace(globals.rest);
  const rest = globals.help ? [...words, "--help"] : globals.rest;
  if (rest[0] === "__complete" || rest[0] === "__completeNoDesc") {
    return complete(rest, program);
  }
  if (rest[0] === "help") return helpTopic(rest.slice(1), program);
  const aliases = Object.keys(program.config.file.aliases ?? {});
  const odd = aliases.find((alias) => alias !== "builder");
  if (odd !== undefined) throw new BerthError("invalid-argument", `not allowed to alias "${odd}" (allowed: builder)`);
  const place = findPlace(rest);
  const ended = await pluginInstead(place, rest, program);
  if (ended !== undefined) return ended;
  const name = ["berth", ...place.words].join(" ");
  if (place.load) return runCommand(place.load, { name, argv: place.rest }, program);
  return runGroup(place, name, program);
}

/** Runs the plugin that a line's first word names, or that `builder` is an alias of; undefined where none is meant. */
async function pluginInstead(place: Place, rest: readonly string[], program: Program): Promise<number | undefined> {
  const { globals, config, options } = program;
  const [first = "", ...more] = rest;
  const alias = first === "builder" ? config.file.aliases?.["builder"] : undefined;
  if (alias === undefined && (place.words.length > 0 || place.load || !/^[a-z]/.test(first))) return undefined;
  const { findPlugin, runPlugin } = await import("./hosts/plugins.ts");
  const plugin = findPlugin(config, alias ?? first);
  if (!plugin) return undefined;
  const env = { ...(options.env ?? process.env) };
  const found = await reach(program);
  const { host, ours } = found.endpoint();
  // Docker's own socket is not where a plugin finds Berth.
  if (contextName(globals, env, config) === "default") env["DOCKER_HOST"] = host;
  // Wakes an engine that is started on demand; a plugin that needs none does without.
  if (ours)
    await contextFor("berth", program, found)
      .engine.core.done({ method: "GET", path: "/_ping" })
      .catch(() => undefined);
  return runPlugin(plugin, [...globals.before, plugin.Name, ...more], env);
}

/** What a shell asks at a tab; it starts no engine. */
async function complete([how, ...words]: string[], program: Program): Promise<number> {
  const { printCompletion } = await import("./complete/complete.ts");
  const { startDaemon: _, ...options } = program.options;
  const line = { ...program, options, globals: leadingGlobals(words, program) };
  const endpoint = await reach(line);
  const context = (): Context => contextFor("berth", line, endpoint);
  return printCompletion(words, { describe: how === "__complete", io: options.io, context });
}

/** The flags before the command of a line that is still being written. */
function leadingGlobals(words: readonly string[], { globals, options }: Program): Globals {
  try {
    return parseGlobals(words.slice(0, -1), options.env ?? process.env);
  } catch {
    return globals; // What cannot be read yet names no engine.
  }
}

type Program = { globals: Globals; config: ClientConfig; options: Settings };

/** `berth help run` is `berth run --help`, where there is such a command. */
async function helpTopic(words: string[], program: Program): Promise<number> {
  const place = findPlace(words);
  if (place.rest[0]?.startsWith("-") === false) {
    program.options.io.err(`unknown help topic: ${place.rest[0]}\n`);
    return 1;
  }
  const globals: Globals = { ...program.globals, help: false, rest: [...place.words, "--help"] };
  return dispatch({ ...program, globals });
}

/** A group, or the program, alone: its help, or what is wrong with the next word. */
async function runGroup(place: Place, name: string, { options: { io }, config }: Program): Promise<number> {
  const { words, rest } = place;
  const group = words.length > 0;
  const next = rest.find((word) => word !== "--") ?? "";
  const absent = absentCommand(words[0] ?? rest[0] ?? "");
  if (absent !== undefined) {
    io.err(`${absent}\n`);
    return 1;
  }
  const more = `${place.group ? `Usage:  ${`${name} ${place.group.usage ?? ""}`.trim()}\n\n` : ""}Run '${name} --help' for more information`;
  if (/^-[^-h]/.test(next) || (next.startsWith("--") && !/^--help(=|$)/.test(next))) {
    const what = next.startsWith("--") ? `flag: ${next}` : `shorthand flag: '${next[1]}' in ${next}`;
    io.err(`unknown ${what}\n\n${more}\n`);
    return FLAG_ERROR;
  }
  if (next !== "" && !next.startsWith("-") && !rest.some((word) => word === "--help" || word === "-h")) {
    io.err(`berth: unknown command: ${name} ${next}\n\n${more}\n`);
    return 1;
  }
  const help = await import("./help.ts");
  if (rest.includes("-h")) io.out(SHORT_HELP);
  const text = await (place.group
    ? help.groupHelp(words, place.group)
    : help.programHelp((await import("./hosts/plugins.ts")).allPlugins(config)));
  if (group && next === "") io.err(text);
  else io.out(text);
  return 0;
}

/** What pflag says of `-h`, which is still taken. */
const SHORT_HELP = "Flag shorthand -h has been deprecated, use --help\n";

async function runCommand(load: Loader, line: { name: string; argv: string[] }, program: Program): Promise<number> {
  const { io } = program.options;
  const { default: found } = await load();
  try {
    const endpoint = await reach(program);
    const result = await found.invoke(() => contextFor(line.name, program, endpoint), line.name, line.argv);
    if (typeof result === "number") return result;
    if (result === "short-help") io.out(SHORT_HELP);
    io.out((await import("./help.ts")).commandHelp(line.name, found));
    return 0;
  } catch (error) {
    if (error instanceof OutputClosed) throw error;
    if (program.globals.debug && error instanceof Error) io.err(`${error.stack}\n`);
    return report(error, { io, name: line.name, found });
  }
}

function report(error: unknown, where: { io: Context["io"]; name: string; found: Command }): number {
  const { io, name, found } = where;
  if (error instanceof UsageError) {
    const usage = `Usage:  ${name}${found.usage ? ` ${found.usage}` : ""}`;
    io.err(`${error.message}\n\n${usage}\n\n${error.see} '${name} --help' for more information\n`);
    return error.code;
  }
  if (isFlagError(error)) return report(new UsageError(messageOf(error), FLAG_ERROR), where);
  if (error instanceof ExitError) {
    if (error.message !== "") io.err(`${error.message}\n`);
    return error.code;
  }
  const text = errorText(error);
  if (found.failure === 1) io.err(`${text}\n`);
  else io.err(`berth: ${text}\n\nRun '${name} --help' for more information\n`);
  return found.failure;
}

/** A flag whose value turned out wrong after the flags had been read; Docker reads those values earlier. */
function isFlagError(error: unknown): boolean {
  const text = error instanceof BerthError && statusOf(error) === undefined ? messageOf(error) : "";
  return /^invalid argument ".*" for ".*" flag: /s.test(text);
}

/** What a person reads of an error: the engine's own carry Docker's prefix. */
function errorText(error: unknown): string {
  if (statusOf(error) !== undefined) return `Error response from daemon: ${messageOf(error)}`;
  if (error instanceof BerthError) return messageOf(error);
  return `unexpected error: ${messageOf(error)}`;
}

type Reach = { endpoint: () => Endpoint; bridge?: (host: EngineHost & { kind: "ssh" }) => string };

/** Where the engine is; what reaches it through ssh is loaded only for a host that is there. */
async function reach({ globals, options, config }: Program): Promise<Reach> {
  const endpoint = await findEndpoint(globals, options.env ?? process.env, config);
  let ssh = false;
  try {
    ssh = endpoint().host.startsWith("ssh://");
  } catch {
    // Told to the command that asks for the engine, if it does.
  }
  return ssh ? { endpoint, bridge: (await import("./hosts/ssh.ts")).sshBridge } : { endpoint };
}

function contextFor(name: string, program: Program, { endpoint, bridge }: Reach): Context {
  const { globals, options, config } = program;
  const env = options.env ?? process.env;
  let engine: Context["engine"] | undefined;
  const connect = (): Context["engine"] => {
    const { host, tls, ours } = endpoint();
    const onUnreachable = ours ? options.startDaemon : undefined;
    const apiVersion = env["DOCKER_API_VERSION"] || undefined;
    return engineClient({ host, tls, bridge, apiVersion, onUnreachable, headers: customHeaders(config.file, env) });
  };
  return {
    name,
    io: options.io,
    env,
    version: options.version ?? "dev",
    files: options.files ?? noFiles,
    registry: options.registry ?? noRegistry,
    remote: options.remote ?? noRegistry,
    registryServer: options.registryServer ?? noRegistry,
    globals,
    config,
    get engine() {
      engine ??= connect();
      return engine;
    },
  };
}

async function noRegistry(): Promise<never> {
  throw new BerthError("internal", "this program cannot speak to registries");
}

async function noFiles(): Promise<never> {
  throw new BerthError("internal", "this program cannot read or write tar archives");
}
