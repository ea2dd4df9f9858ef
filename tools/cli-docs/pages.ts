import { ALIASES, COMMANDS, GROUPS, type Group, type Loader } from "../../src/cli/commands.ts";
import type { FlagTable } from "../../src/cli/flags.ts";
import { GLOBAL_FLAGS } from "../../src/cli/global-flags.ts";
import { flagLines } from "../../src/cli/help.ts";

/** One command of the documentation; what several groups share is told once, by its shortest name. */
export interface Page {
  /** `berth ps`. */
  name: string;
  /** Other spellings: `berth container ls`. */
  others: string[];
  summary: string;
  usage: string;
  /** Forms of its arguments, and what each means. */
  forms: readonly (readonly string[])[];
  /** `-a, --all`, and what it does. */
  flags: string[][];
}

/** A group, and the names of the pages of its commands. */
export interface GroupPage {
  name: string;
  summary: string;
  members: { name: string; page: string; summary: string }[];
}

/** Everything that the documentation is made of, from the table that the parser uses. */
export interface Pages {
  globals: string[][];
  commands: Page[];
  groups: GroupPage[];
}

interface Found {
  names: string[];
  load: Loader;
}

/** Reads every command. */
export async function readPages(): Promise<Pages> {
  const found = new Map<Loader, Found>();
  const add = (name: string, load: Loader): void => {
    const entry = found.get(load) ?? { names: [], load };
    entry.names.push(name);
    found.set(load, entry);
  };
  for (const [name, load] of Object.entries(COMMANDS)) add(`berth ${name}`, load);
  const groups = Object.entries(GROUPS).flatMap(([name, group]) => walk([name], group));
  for (const { words, group } of groups) {
    for (const [name, load] of Object.entries(group.commands)) {
      if (group.hidden?.includes(name)) continue;
      const prefix = `berth ${words.join(" ")}`;
      const spellings = Object.entries(ALIASES[words.join(" ")] ?? {}).filter(([, to]) => to === name);
      for (const spelling of [name, ...spellings.map(([alias]) => alias)]) add(`${prefix} ${spelling}`, load);
    }
  }
  const commands = await Promise.all([...found.values()].map(readPage));
  commands.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { globals: shownFlags(GLOBAL_FLAGS), commands, groups: groups.map((g) => groupPage(g, commands)) };
}

function walk(words: string[], group: Group): { words: string[]; group: Group }[] {
  const inner = Object.entries(group.groups ?? {}).flatMap(([name, g]) => walk([...words, name], g));
  return [{ words, group }, ...inner];
}

async function readPage({ names, load }: Found): Promise<Page> {
  const { default: command } = await load();
  const [name = "", ...others] = names;
  const { summary, usage, forms } = command;
  return { name, others, summary, usage, forms, flags: shownFlags(command.flags) };
}

function groupPage({ words, group }: { words: string[]; group: Group }, commands: readonly Page[]): GroupPage {
  const name = `berth ${words.join(" ")}`;
  const members = Object.keys(group.commands).flatMap((member) => {
    const full = `${name} ${member}`;
    const page = commands.find((c) => c.name === full || c.others.includes(full));
    return page ? [{ name: full, page: page.name, summary: page.summary }] : [];
  });
  return { name, summary: group.summary, members };
}

const shownFlags = (flags: FlagTable): string[][] =>
  flagLines(flags).map(([flag = "", help = ""]) => [flag.trim(), help]);
