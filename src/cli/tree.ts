import { ALIASES, COMMANDS, GROUPS, type Group, type Loader } from "./commands.ts";

/** Where a command line leads: as deep into the groups as its words are names. */
export interface Place {
  /** The words that were names, as they were written. */
  words: string[];
  /** What stands behind them. */
  rest: string[];
  /** The command that they name; without it the place is a group, or the program itself where `words` is empty. */
  load?: Loader;
  group?: Group;
}

/** The program as a group of its own. */
const ROOT: Group = { summary: "", commands: COMMANDS, groups: GROUPS };

const own = <T>(table: Record<string, T> | undefined, name: string): T | undefined =>
  table && Object.hasOwn(table, name) ? table[name] : undefined;

/** Follows the words of a command line through the groups, by names and their other spellings. */
export function findPlace(line: readonly string[]): Place {
  const words: string[] = [];
  let group = ROOT;
  for (const [at, word] of line.entries()) {
    const rest = line.slice(at + 1);
    const load = own(group.commands, own(own(ALIASES, words.join(" ")), word) ?? word);
    if (load) return { words: [...words, word], rest, load };
    const inner = own(group.groups, word);
    if (!inner) return place(words, line.slice(at), group);
    words.push(word);
    group = inner;
  }
  return place(words, [], group);
}

function place(words: string[], rest: string[], group: Group): Place {
  return words.length === 0 ? { words, rest } : { words, rest, group };
}

/** One command of the tree. `hidden` ones are taken but not listed. */
export interface Leaf {
  words: string[];
  load: Loader;
  hidden: boolean;
}

/** All commands below a group, in the order of the table; those of the program without an argument. */
export function leaves(group: Group = ROOT, words: readonly string[] = []): Leaf[] {
  const own = Object.entries(group.commands).map(([name, load]) => ({
    words: [...words, name],
    load,
    hidden: group.hidden?.includes(name) ?? false,
  }));
  const inner = Object.entries(group.groups ?? {}).flatMap(([name, g]) => leaves(g, [...words, name]));
  return [...own, ...inner];
}

/** Other spellings of a group's commands, the group named by its words. */
export function aliasesOf(words: readonly string[]): Record<string, string> {
  return own(ALIASES, words.join(" ")) ?? {};
}
