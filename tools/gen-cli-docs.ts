// Writes docs/cli.md and the man pages in dist/man/man1 from the command line's own tables.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { markdown } from "./cli-docs/markdown.ts";
import { readPages } from "./cli-docs/pages.ts";
import { manPages } from "./cli-docs/roff.ts";

const ROOT = join(import.meta.dir, "..");
const MAN = join(ROOT, "dist/man/man1");

const pages = await readPages();
writeFileSync(join(ROOT, "docs/cli.md"), markdown(pages));
rmSync(MAN, { recursive: true, force: true });
mkdirSync(MAN, { recursive: true });
const made = manPages(pages);
for (const { file, text } of made) writeFileSync(join(MAN, file), text);
process.stdout.write(`docs/cli.md: ${pages.commands.length} commands; dist/man/man1: ${made.length} pages\n`);
