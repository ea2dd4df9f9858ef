import { engineClient } from "../client/client.ts";
import { statusOf } from "../client/errors.ts";
import { DEFAULT_HOST } from "../client/host.ts";
import { BerthError, messageOf } from "../spec/errors.ts";
import { absentCommand } from "./absent.ts";
import { type Command, UsageError } from "./command.ts";
import { ALIASES, COMMANDS, GROUPS, type Loader } from "./commands.ts";
import type { CliOptions, Context } from "./context.ts";
import { ExitError } from "./exit.ts";
import { type Globals, parseGlobals } from "./globals.ts";
import { OutputClosed, processIo } from "./io.ts";

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
  try {
    return await dispatch(globals, { ...options, io });
  } catch (error) {
    if (error instanceof OutputClosed) return PIPE_CLOSED;
    if (globals.debug && error instanceof Error) io.err(`${error.stack}\n`);
    return fail(error instanceof BerthError ? error.message : `berth: ${messageOf(error)}`, 1);
  }
}

type Settings = CliOptions & Required<Pick<CliOptions, "io">>;

async function dispatch(globals: Globals, options: Settings): Promise<number> {
  const { io } = options;
  if (globals.version) {
    io.out(`Berth version ${options.version ?? "dev"}\n`);
    return 0;
  }
  const rest = globals.rest[0] === "help" ? [...globals.rest.slice(1), "--help"] : globals.rest;
  const [first = "", second = ""] = rest;
  if (first === "" || first === "--help" || globals.help) {
    io.out(await (await import("./help.ts")).programHelp());
    return 0;
  }
  const found = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
  if (found) return runCommand(found, { name: `berth ${first}`, argv: rest.slice(1) }, { globals, options });
  const group = Object.hasOwn(GROUPS, first) ? GROUPS[first] : undefined;
  const absent = absentCommand(first, second);
  if (absent !== undefined) {
    io.err(`${absent}\n`);
    return 1;
  }
  if (!group) {
    io.err(`berth: unknown command: berth ${first}\n\nRun 'berth --help' for more information\n`);
    return 1;
  }
  if (second === "" || second === "--help" || second === "-h") {
    const text = await (await import("./help.ts")).groupHelp(first);
    if (second === "") io.err(text);
    else io.out(text);
    return 0;
  }
  const verb = ALIASES[first]?.[second] ?? second;
  const member = Object.hasOwn(group.commands, verb) ? group.commands[verb] : undefined;
  if (member)
    return runCommand(member, { name: `berth ${first} ${second}`, argv: rest.slice(2) }, { globals, options });
  const tail = `Usage:  berth ${first}\n\nRun 'berth ${first} --help' for more information`;
  io.err(`berth: unknown command: berth ${first} ${second}\n\n${tail}\n`);
  return 1;
}

async function runCommand(
  load: Loader,
  line: { name: string; argv: string[] },
  program: { globals: Globals; options: Settings },
): Promise<number> {
  const { io } = program.options;
  const { default: found } = await load();
  try {
    const result = await found.invoke(() => contextFor(line.name, program), line.name, line.argv);
    if (result !== "help") return result;
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

function contextFor(name: string, program: { globals: Globals; options: Settings }): Context {
  const { globals, options } = program;
  const host = globals.host ?? DEFAULT_HOST;
  return {
    name,
    io: options.io,
    env: options.env ?? process.env,
    version: options.version ?? "dev",
    engine: engineClient({
      host,
      apiVersion: (options.env ?? process.env)["DOCKER_API_VERSION"] || undefined,
      onUnreachable: globals.host === undefined ? options.startDaemon : undefined,
    }),
  };
}
