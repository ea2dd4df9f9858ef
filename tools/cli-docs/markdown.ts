import type { Page, Pages } from "./pages.ts";

const HEAD = `# The command line

Made by \`npm run docs\` from the tables that the parser uses; \`berth COMMAND --help\` says the same. Commands, flags, exit codes
and output are docker's. Where a command has several names, it stands here under its shortest.
`;

/** docs/cli.md. */
export function markdown({ globals, commands, groups }: Pages): string {
  const flags = `## Flags before the command\n\n${table("flag", globals)}`;
  const list = groups.map(({ name, summary, members }) => {
    const links = members.map((m) => `[\`${m.name.split(" ").at(-1)}\`](#${anchor(m.page)})`);
    return `- \`${name}\`: ${summary.toLowerCase()}. ${links.join(", ")}`;
  });
  const sections = commands.map(section);
  return [HEAD, flags, `## Groups\n\n${list.join("\n")}\n`, "## Commands\n", ...sections].join("\n");
}

const anchor = (name: string): string => name.replaceAll(" ", "-");

function section({ name, others, summary, usage, forms, flags }: Page): string {
  const also = others.length > 0 ? `Also \`${others.join("`, `")}\`.\n\n` : "";
  const line = `    ${name}${usage ? ` ${usage}` : ""}\n`;
  const tables = [
    ...(forms.length > 0 ? [table("argument", forms)] : []),
    ...(flags.length > 0 ? [table("flag", flags)] : []),
  ];
  return `### ${name}\n\n${summary}.\n\n${also}${line}${tables.map((text) => `\n${text}`).join("")}`;
}

function table(title: string, lines: readonly (readonly string[])[]): string {
  const rows = lines.map(([term = "", help = ""]) => `| \`${term.replaceAll("|", "\\|")}\` | ${escaped(help)} |`);
  return `| ${title} | |\n|---|---|\n${rows.join("\n")}\n`;
}

const escaped = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
