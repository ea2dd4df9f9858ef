import type { Command } from "../command.ts";
import { COMMANDS, GROUPS, type Group } from "../commands.ts";
import type { Context } from "../context.ts";
import type { FlagSpec, FlagTable } from "../flags.ts";
import { GLOBAL_FLAGS } from "../global-flags.ts";
import { findPlace } from "../tree.ts";
import { argumentValues, flagValues } from "./values.ts";

/** One thing that may stand next, and what it is. */
export interface Candidate {
  value: string;
  about?: string;
}

/** What the shell does with the candidates; the names and numbers are those of docker's own completion. */
export const DIRECTIVES = { Default: 0, Error: 1, NoSpace: 2, NoFileComp: 4, FilterDirs: 16 } as const;

/** The name of a directive. */
export type Directive = keyof typeof DIRECTIVES;

/** What may stand at a place of a command line. */
export interface Answer {
  candidates: Candidate[];
  directive: Directive;
}

/**
 * `berth __complete WORD…`: what may stand in place of the last word, a line each with its description behind a tab, and last
 * `:N`, what the shell does with it. `describe` false leaves the descriptions out. Never starts an engine, and is silent
 * about one that does not answer. `context` reads the flags before the command.
 */
export async function printCompletion(
  words: readonly string[],
  options: { describe: boolean; io: Context["io"]; context: (globals: readonly string[]) => Context },
): Promise<number> {
  const { candidates, directive } = await completion(words, options.context);
  const last = words.at(-1) ?? "";
  const lines = candidates
    .filter(({ value }) => value.startsWith(last))
    .map(({ value, about }) => `${options.describe && about ? `${value}\t${about.split("\n")[0]}` : value}\n`);
  options.io.out(`${lines.join("")}:${DIRECTIVES[directive]}\n`);
  options.io.err(`Completion ended with directive: ShellCompDirective${directive}\n`);
  return 0;
}

const NOTHING: Answer = { candidates: [], directive: "NoFileComp" };

async function completion(words: readonly string[], context: (globals: readonly string[]) => Context): Promise<Answer> {
  const before = words.slice(0, -1);
  const last = words.at(-1) ?? "";
  const start = leading(GLOBAL_FLAGS, before);
  if (start.awaits) return NOTHING;
  const line = before.slice(start.length);
  const place = findPlace(line[0] === "help" ? line.slice(1) : line);
  const ask = (): Context => context(before.slice(0, start.length));
  if (place.load && line[0] !== "help") {
    const { default: command } = await place.load();
    return commandAnswer({ command, words: place.words, given: place.rest, last, ask });
  }
  if (place.load || place.rest.length > 0) return NOTHING;
  if (last.startsWith("-")) return flagAnswer(place.words.length === 0 ? GLOBAL_FLAGS : {});
  return { candidates: await nameCandidates(place.group), directive: "NoFileComp" };
}

/** How many words at the beginning are flags and their values; `awaits`: the last one still needs its value. */
function leading(flags: FlagTable, words: readonly string[]): { length: number; awaits: boolean } {
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (!word.startsWith("-") || word === "-") return { length: at, awaits: false };
    if (!awaitedBy(flags, word)) continue;
    at += 1;
    if (at === words.length) return { length: at, awaits: true };
  }
  return { length: words.length, awaits: false };
}

/** The flag whose value is the word behind `word`; undefined where it is no flag, a switch, or has its value with it. */
function awaitedBy(flags: FlagTable, word: string): [string, FlagSpec] | undefined {
  if (word.startsWith("--")) {
    const spec = flags[word.slice(2)];
    return spec && spec.kind !== "bool" ? [word.slice(2), spec] : undefined;
  }
  for (const [at, letter] of [...word.slice(1)].entries()) {
    const found = Object.entries(flags).find(([, spec]) => spec.short === letter);
    if (!found) return undefined;
    if (found[1].kind !== "bool") return at === word.length - 2 ? found : undefined;
  }
  return undefined;
}

interface Asked {
  command: Command;
  words: string[];
  given: string[];
  last: string;
  ask: () => Context;
}

async function commandAnswer(asked: Asked): Promise<Answer> {
  const { command, words, given, last, ask } = asked;
  const { args, awaits } = positionals(command, given);
  if (awaits) return flagValues(awaits, ask);
  const flagsEnded = given.includes("--") || (args.length > 0 && !command.interspersed);
  if (flagsEnded) return argumentValues({ command, words, args, last }, ask);
  const [flag = "", value] = last.split("=", 2);
  if (value !== undefined && flag.startsWith("--")) {
    const { candidates, directive } = await flagValues(flag.slice(2), ask);
    return { candidates: candidates.map((c) => ({ ...c, value: `${flag}=${c.value}` })), directive };
  }
  if (last.startsWith("-")) return flagAnswer(command.flags);
  return argumentValues({ command, words, args, last }, ask);
}

/** The arguments among the words behind a command; `awaits` names the flag whose value comes next. */
function positionals(command: Command, given: readonly string[]): { args: string[]; awaits?: string } {
  const args: string[] = [];
  for (let at = 0; at < given.length; at++) {
    const word = given[at] ?? "";
    if (word === "--") return { args: [...args, ...given.slice(at + 1)] };
    if (!word.startsWith("-") || word === "-") {
      if (!command.interspersed) return { args: [...args, ...given.slice(at)] };
      args.push(word);
      continue;
    }
    const flag = awaitedBy(command.flags, word);
    if (!flag) continue;
    at += 1;
    if (at === given.length) return { args, awaits: flag[0] };
  }
  return { args };
}

function flagAnswer(flags: FlagTable): Answer {
  const shown = Object.entries(flags).filter(([, spec]) => !spec.hidden && spec.deprecated === undefined);
  const candidates = shown.map(([name, spec]) => ({ value: `--${name}`, about: spec.help }));
  const help = { value: "--help", about: "Print usage" };
  return { candidates: [...candidates, help].sort((a, b) => (a.value < b.value ? -1 : 1)), directive: "NoFileComp" };
}

async function nameCandidates(group: Group | undefined): Promise<Candidate[]> {
  const { commands, groups = {}, hidden = [] } = group ?? { commands: COMMANDS, groups: GROUPS };
  const names = Object.entries(commands).filter(([name]) => !hidden.includes(name));
  const found = await Promise.all(
    names.map(async ([value, load]) => ({ value, about: (await load()).default.summary })),
  );
  const inner = Object.entries(groups).map(([value, { summary }]) => ({ value, about: summary }));
  return [...found, ...inner].sort((a, b) => (a.value < b.value ? -1 : 1));
}
