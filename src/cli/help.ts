import type { Command } from "./command.ts";
import { COMMANDS, COMMON, GROUPS, type Group, type Loader } from "./commands.ts";
import type { FlagSpec, FlagTable } from "./flags.ts";
import { alignTable } from "./format/table.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import type { Plugin } from "./hosts/plugins.ts";

const TYPE_WORD: Record<FlagSpec["kind"], string> = {
  bool: "",
  string: "string",
  int: "int",
  uint16: "uint16",
  list: "list",
  bytes: "bytes",
  swap: "bytes",
  duration: "duration",
  cpus: "decimal",
};

/** The listed flags, sorted: `  -a, --all` with its type, and its help with its default. */
export function flagLines(flags: FlagTable): string[][] {
  const shown = Object.entries(flags)
    .filter(([, spec]) => !spec.hidden && spec.deprecated === undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return shown.map(([name, spec]) => {
    const word = spec.type ?? TYPE_WORD[spec.kind];
    const fallback =
      spec.fallback === undefined || spec.fallback === false || spec.fallback === "" ? "" : spec.fallback;
    const quoted = typeof fallback === "string" && fallback !== "" ? JSON.stringify(fallback) : String(fallback);
    const tail = fallback === "" ? "" : ` (default ${quoted})`;
    return [`  ${spec.short ? `-${spec.short},` : "   "} --${name}${word ? ` ${word}` : ""}`, `${spec.help}${tail}`];
  });
}

/** The block of flags in a help text; empty without flags. */
export function flagsText(title: string, flags: FlagTable): string {
  const lines = flagLines(flags);
  if (lines.length === 0) return "";
  return `\n${title}:\n${alignTable(wrapped(lines), { minWidth: 0 })}`;
}

const WIDTH = 100;
const GAP = 3;

/** Breaks what stands in the second column between words, so that lines keep to WIDTH. */
function wrapped(lines: readonly string[][]): string[][] {
  const left = Math.max(...lines.map(([flag = ""]) => flag.length)) + GAP;
  return lines.flatMap(([flag = "", help = ""]) => {
    const rows: string[] = [""];
    for (const word of help.split(" ")) {
      const row = rows.at(-1) ?? "";
      if (row !== "" && left + row.length + 1 + word.length > WIDTH) rows.push(word);
      else rows[rows.length - 1] = row === "" ? word : `${row} ${word}`;
    }
    return rows.map((row, i) => [i === 0 ? flag : "", row]);
  });
}

/** `Usage:  berth run [OPTIONS] IMAGE …`. */
export function usageLine(name: string, command: Command): string {
  return `Usage:  ${name}${command.usage ? ` ${command.usage}` : ""}`;
}

/** `berth COMMAND --help`. */
export function commandHelp(name: string, command: Command): string {
  const forms = command.forms.map(([form, meaning]) => [`  ${form}`, meaning]);
  const shown = forms.length > 0 ? `\nArguments:\n${table(forms)}` : "";
  return `${usageLine(name, command)}\n\n${command.summary}\n${shown}${flagsText("Options", command.flags)}`;
}

async function commandLines(commands: Record<string, Loader>, names: string[]): Promise<string[][]> {
  const lines: string[][] = [];
  for (const name of names) {
    const load = commands[name];
    if (load) lines.push([`  ${name}`, (await load()).default.summary]);
  }
  return lines;
}

const table = (lines: string[][]): string => alignTable(lines, { minWidth: 14, padding: 2 });

/** `berth GROUP`, the group named by its words. */
export async function groupHelp(words: readonly string[], group: Group): Promise<string> {
  const name = ["berth", ...words].join(" ");
  const shown = Object.keys(group.commands).filter((command) => !group.hidden?.includes(command));
  shown.sort();
  const groups = Object.entries(group.groups ?? {}).map(([inner, g]) => [`  ${inner}`, g.summary]);
  return `Usage:  ${name} COMMAND

${group.summary}
${groups.length > 0 ? `\nManagement Commands:\n${table(groups)}` : ""}
Commands:
${table(await commandLines(group.commands, shown))}
Run '${name} COMMAND --help' for more information on a command.
`;
}

/** `berth --help`; plugins are marked with a star, as docker does. */
export async function programHelp(plugins: readonly Plugin[] = []): Promise<string> {
  const usable = plugins.filter(
    ({ Name, Err }) => Err === undefined && !Object.hasOwn(COMMANDS, Name) && !Object.hasOwn(GROUPS, Name),
  );
  const starred = usable.map(({ Name, ShortDescription = "" }) => [`  ${Name}*`, ShortDescription]);
  const groups = [...Object.entries(GROUPS).map(([name, g]) => [`  ${name}`, g.summary]), ...starred];
  groups.sort((a, b) => ((a[0] ?? "") < (b[0] ?? "") ? -1 : 1));
  const others = Object.keys(COMMANDS).filter((name) => !COMMON.includes(name));
  const daemon = ["  daemon", "Run the engine in the foreground"];
  const rest = [...(await commandLines(COMMANDS, others)), daemon].sort((a, b) =>
    (a[0] ?? "") < (b[0] ?? "") ? -1 : 1,
  );
  return `Usage:  berth [OPTIONS] COMMAND

A container engine in one executable

Common Commands:
${table(await commandLines(COMMANDS, COMMON))}
Management Commands:
${table(groups)}
Commands:
${table(rest)}${flagsText("Global Options", GLOBAL_FLAGS)}
Run 'berth COMMAND --help' for more information on a command.
`;
}
