import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { leaves } from "../../src/cli/tree.ts";
import { run } from "../../src/host/spawn.ts";
import { markdown } from "../../tools/cli-docs/markdown.ts";
import { readPages } from "../../tools/cli-docs/pages.ts";
import { manPages } from "../../tools/cli-docs/roff.ts";

const PAGES = await readPages();
const LISTED = leaves().filter(({ hidden }) => !hidden);

test("docs/cli.md is what the tables say (npm run docs)", () => {
  expect(readFileSync(join(import.meta.dir, "../../docs/cli.md"), "utf8")).toBe(markdown(PAGES));
});

test("every command has its page, under one of its names", () => {
  const names = PAGES.commands.flatMap((page) => [page.name, ...page.others]);
  expect(new Set(names).size).toBe(names.length);
  for (const { words } of LISTED) expect(names).toContain(`berth ${words.join(" ")}`);
});

test("docs/cli.md: links lead to sections, rows of tables have two cells", () => {
  const text = markdown(PAGES);
  const anchors = new Set([...text.matchAll(/^### (.*)$/gm)].map(([, name = ""]) => name.replaceAll(" ", "-")));
  const links = [...text.matchAll(/\]\(#([^)]*)\)/g)].map(([, to = ""]) => to);
  expect(links.length).toBeGreaterThan(60);
  expect(links.filter((to) => !anchors.has(to))).toEqual([]);
  const rows = text.split("\n").filter((line) => line.startsWith("|"));
  expect(rows.filter((row) => (row.match(/(?<!\\)\|/g) ?? []).length !== 3)).toEqual([]);
});

test("man pages: every name of a command has one, and its flags are in it", async () => {
  const pages = new Map(manPages(PAGES).map(({ file, text }) => [file, text]));
  for (const { words, load } of LISTED) {
    const text = pages.get(`berth-${words.join("-")}.1`) ?? "";
    const target = /^\.so man1\/(.*)$/m.exec(text)?.[1];
    const page = target ? (pages.get(target) ?? "") : text;
    expect(page).toStartWith('.TH "BERTH-');
    for (const [flag, spec] of Object.entries((await load()).default.flags)) {
      const shown = page.includes(`\\-\\-${flag.replaceAll("-", "\\-")}`);
      if (!spec.hidden && !spec.deprecated) expect([words, flag, shown]).toEqual([words, flag, true]);
    }
  }
  expect(pages.get("berth.1")).toContain("berth\\-container\\-prune");
});

test("man pages: no line is a request by accident", () => {
  for (const { file, text } of manPages(PAGES)) {
    const requests = text.split("\n").filter((line) => /^['.]/.test(line));
    expect([file, requests.filter((line) => !/^\.(TH|SH|TP|B|BR|br|so)\b/.test(line))]).toEqual([file, []]);
  }
});

test("man shows a page, where there is a man", async () => {
  const folder = mkdtempSync(join(tmpdir(), "man-"));
  mkdirSync(join(folder, "man1"));
  for (const { file, text } of manPages(PAGES)) writeFileSync(join(folder, "man1", file), text);
  const env = { PATH: process.env["PATH"] ?? "", MANPATH: folder, MANPAGER: "cat", LC_ALL: "C", MANWIDTH: "80" };
  const done = await run(["sh", "-c", "command -v man >/dev/null || exit 77; man berth-container-ls"], { env });
  rmSync(folder, { recursive: true });
  if (done.code === 77) return;
  expect(done.stderr).toBe("");
  expect(done.stdout).toMatch(/BERTH-PS\(1\)[\s\S]*berth-ps - List containers[\s\S]*--no-trunc/);
});
