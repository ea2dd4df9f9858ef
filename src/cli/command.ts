import { BerthError } from "../spec/errors.ts";
import type { Context } from "./context.ts";
import { ExitError } from "./exit.ts";
import { type FlagTable, type FlagValues, parseFlags } from "./flags.ts";

/** What a command's own function gets. */
export interface Input<T extends FlagTable> {
  flags: FlagValues<T>;
  given: ReadonlySet<string>;
  args: string[];
}

/** How a command is written down: one file each under commands/. */
export interface CommandSpec<T extends FlagTable> {
  /** Behind the name in the usage line: `[OPTIONS] CONTAINER [CONTAINER...]`. */
  usage: string;
  summary: string;
  /** Forms that an argument may have, and what each means, where the usage line cannot say it. */
  forms?: readonly (readonly [form: string, meaning: string])[];
  /** As a flag's. */
  since?: number;
  flags: T;
  /** Least and most arguments. */
  args: readonly [number, number];
  /** False: flags end at the first argument, because the rest is somebody else's command line. */
  interspersed?: boolean;
  /** The exit code of errors that are ours or the daemon's; 125 for commands whose own codes are a container's. */
  failure?: number;
  /** The command's work; returns the exit code. Errors are thrown. */
  run(ctx: Context, input: Input<T>): Promise<number>;
}

/** A command with its flag types hidden, as the table of commands keeps it. */
export interface Command {
  usage: string;
  summary: string;
  forms: readonly (readonly [form: string, meaning: string])[];
  flags: FlagTable;
  /** False: flags end at the first argument. */
  interspersed: boolean;
  failure: number;
  /** Parses and runs. Usage errors are thrown as UsageError; `"help"` asks for the help text, `"short-help"` did so by `-h`. */
  invoke(ctx: () => Context, name: string, argv: readonly string[]): Promise<number | "help" | "short-help">;
}

/** A command line that cannot be understood. `code` is the exit code: 125 for flags, 1 for a wrong number of arguments. */
export class UsageError extends Error {
  constructor(
    message: string,
    readonly code: number,
    readonly see: "Run" | "See" = "Run",
  ) {
    super(message);
  }
}

const FLAG_ERROR = 125;

/** Seals a command's definition. */
export function command<T extends FlagTable>(spec: CommandSpec<T>): Command {
  return {
    usage: spec.usage,
    summary: spec.summary,
    forms: spec.forms ?? [],
    flags: spec.flags,
    interspersed: spec.interspersed ?? true,
    failure: spec.failure ?? 1,
    async invoke(context, name, argv) {
      const line = parseOrUsage(spec, argv);
      if (line.help) return line.help === "long" ? "help" : "short-help";
      const ctx = context();
      refuseNewer(ctx, spec, line.given);
      for (const note of deprecations(spec.flags, line.given)) ctx.io.out(`${note}\n`);
      checkCount(name, line.args.length, spec.args);
      return spec.run(ctx, line);
    },
  };
}

/** Throws in docker's words for what the version of the API that the person asked for (DOCKER_API_VERSION) has not. */
function refuseNewer(ctx: Context, spec: { since?: number; flags: FlagTable }, given: ReadonlySet<string>): void {
  const asked = Number(/^1\.(\d+)$/.exec(ctx.env["DOCKER_API_VERSION"] ?? "")?.[1] ?? Number.POSITIVE_INFINITY);
  const refuse = (what: string, since: number): ExitError =>
    new ExitError(1, `${what} requires API version 1.${since}, but the Docker daemon API version is 1.${asked}`);
  if (asked < (spec.since ?? 0)) throw refuse(ctx.name, spec.since ?? 0);
  const newer = [...given].sort().map((name) => ({ name, since: spec.flags[name]?.since ?? 0 }));
  const wrong = newer
    .filter(({ since }) => asked < since)
    .map(({ name, since }) => refuse(`"--${name}"`, since).message);
  if (wrong.length > 0) throw new ExitError(1, wrong.join("\n"));
}

/** What pflag says of flags that are still taken. */
function deprecations(flags: FlagTable, given: ReadonlySet<string>): string[] {
  return [...given].flatMap((name) => {
    const why = flags[name]?.deprecated;
    return why === undefined ? [] : [`Flag --${name} has been deprecated, ${why}`];
  });
}

function parseOrUsage<T extends FlagTable>(spec: CommandSpec<T>, argv: readonly string[]) {
  try {
    return parseFlags(spec.flags, argv, { interspersed: spec.interspersed ?? true });
  } catch (error) {
    if (error instanceof BerthError) throw new UsageError(error.message, FLAG_ERROR);
    throw error;
  }
}

function checkCount(name: string, count: number, [least, most]: readonly [number, number]): void {
  const fail = (words: string, see: "Run" | "See" = "Run"): never => {
    throw new UsageError(`berth: '${name}' ${words}`, 1, see);
  };
  const plural = (n: number): string => `${n} argument${n === 1 ? "" : "s"}`;
  if (count >= least && count <= most) return;
  if (most === 0) fail("accepts no arguments");
  if (least === most) fail(`requires ${plural(least)}`);
  if (most === Number.POSITIVE_INFINITY) fail(`requires at least ${plural(least)}`, "See");
  fail(least === 0 ? `requires at most ${plural(most)}` : `requires at least ${least} and at most ${plural(most)}`);
}
