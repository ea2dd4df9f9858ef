import type { Page, Pages } from "./pages.ts";

/** A man page: `berth-ps.1`. */
export interface ManPage {
  file: string;
  text: string;
}

/** The man pages (man(7)): one a command, and berth(1), which lists them. Other names of a command refer to its page. */
export function manPages(pages: Pages): ManPage[] {
  const links = pages.commands.flatMap(({ name, others }) =>
    others.map((other) => ({ file: fileOf(other), text: `.so man1/${fileOf(name)}\n` })),
  );
  return [programPage(pages), ...pages.commands.map(commandPage), ...links];
}

const fileOf = (name: string): string => `${name.replaceAll(" ", "-")}.1`;

/** Text that roff takes as it is: hyphens stay hyphens, a line never begins with a request. */
function text(words: string): string {
  return words
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(['.])/gm, "\\&$1");
}

const head = (name: string): string => `.TH "${name.replaceAll(" ", "-").toUpperCase()}" 1 "" "Berth" "Berth"\n`;
const section = (title: string, body: string): string => `.SH ${title}\n${body}\n`;

function commandPage({ name, others, summary, usage, forms, flags }: Page): ManPage {
  const parts = [
    head(name),
    section("NAME", `${text(name.replaceAll(" ", "-"))} \\- ${text(summary)}`),
    section("SYNOPSIS", `.B ${text(name)}\n${text(usage)}`),
    ...(others.length > 0 ? [section("OTHER NAMES", others.map((o) => `.B ${text(o)}`).join("\n.br\n"))] : []),
    ...(forms.length > 0 ? [section("ARGUMENTS", forms.map(flagItem).join("\n"))] : []),
    ...(flags.length > 0 ? [section("OPTIONS", flags.map(flagItem).join("\n"))] : []),
    section("SEE ALSO", ".BR berth (1)"),
  ];
  return { file: fileOf(name), text: parts.join("") };
}

const flagItem = ([flag = "", help = ""]: readonly string[]): string => `.TP\n.B ${text(flag)}\n${text(help)}`;

function programPage({ globals, commands }: Pages): ManPage {
  const list = commands.map(({ name, summary }) => `.TP\n.BR ${text(name.replaceAll(" ", "-"))} (1)\n${text(summary)}`);
  const parts = [
    head("berth"),
    section("NAME", "berth \\- a container engine in one executable"),
    section("SYNOPSIS", ".B berth\n[OPTIONS] COMMAND [ARG...]"),
    section("OPTIONS", globals.map(flagItem).join("\n")),
    section("COMMANDS", list.join("\n")),
  ];
  return { file: "berth.1", text: parts.join("") };
}
