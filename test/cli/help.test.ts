import { expect, test } from "bun:test";
import { COMMANDS, COMMON, GROUPS, type Group } from "../../src/cli/commands.ts";
import { leaves } from "../../src/cli/tree.ts";
import { berth } from "./harness.ts";

const WIDTH = 100;
const LEAVES = leaves();
const SUBGROUPS = (words: string[], group: Group): [string, string[], Group][] => [
  [words.join(" "), words, group],
  ...Object.entries(group.groups ?? {}).flatMap(([name, g]) => SUBGROUPS([...words, name], g)),
];
const ALL_GROUPS = Object.entries(GROUPS).flatMap(([name, group]) => SUBGROUPS([name], group));

/** The lines of a help text. Help asks no engine: there is none at this host. */
async function help(...argv: string[]): Promise<string[]> {
  const { code, out, err } = await berth(argv, { host: "unix:///nonexistent/engine.sock" });
  expect([code, err]).toEqual([0, ""]);
  // A second usage line belongs to the first.
  return out.split("\n").filter((line) => !line.startsWith("\t"));
}

test.each(LEAVES.map((leaf) => [leaf.words.join(" "), leaf] as const))("berth %s --help", async (name, leaf) => {
  const { words } = leaf;
  const lines = await help(...words, "--help");
  expect(lines[0]).toStartWith(`Usage:  berth ${name}`);
  expect(lines[2]).toMatch(/^[A-Z]/);
  expect(lines.filter((line) => line.length > WIDTH)).toEqual([]);
  const { default: command } = await leaf.load();
  for (const [flag, spec] of Object.entries(command.flags)) {
    const line = lines.find((l) => l.includes(` --${flag} `));
    expect([flag, line !== undefined]).toEqual([flag, !spec.hidden && !spec.deprecated]);
    if (line) expect(line.split(/ {3,}/).at(-1)).toMatch(/^[A-Z'"]/);
  }
  // `help run` is `run --help`, as `--help run` is.
  expect(await help("help", ...words)).toEqual(lines);
  expect(await help("--help", ...words)).toEqual(lines);
  expect((await berth([...words, "--help", "--no-such-flag"])).err).toStartWith("unknown flag: --no-such-flag\n");
});

test("berth --help lists every command once, under Docker's headings", async () => {
  const lines = await help("--help");
  expect(lines.filter((l) => /^[A-Z].*:$/.test(l))).toEqual([
    "Common Commands:",
    "Management Commands:",
    "Commands:",
    "Global Options:",
  ]);
  const names = lines.flatMap((l) => /^ {2}([a-z]+) {2,}\S/.exec(l)?.[1] ?? []);
  expect(names.slice(0, COMMON.length)).toEqual(COMMON);
  expect([...names].sort()).toEqual([...Object.keys(COMMANDS), ...Object.keys(GROUPS), "daemon"].sort());
  expect(lines.filter((l) => l.length > WIDTH)).toEqual([]);
  expect(await help()).toEqual(lines);
  expect(await help("help")).toEqual(lines);
});

test.each(ALL_GROUPS)(
  "berth %s alone shows its commands, on stderr; with --help on stdout",
  async (_, words, group) => {
    const alone = await berth(words);
    const lines = await help(...words, "--help");
    expect([alone.code, alone.out]).toEqual([0, ""]);
    expect(alone.err.split("\n")).toEqual(lines);
    const shown = lines.flatMap((l) => /^ {2}([a-z]+) {2,}\S/.exec(l)?.[1] ?? []);
    const listed = Object.keys(group.commands)
      .filter((name) => !group.hidden?.includes(name))
      .sort();
    expect(shown).toEqual([...Object.keys(group.groups ?? {}), ...listed]);
    const bad = await berth([...words, "bogus"]);
    const more = `Usage:  berth ${`${words.join(" ")} ${group.usage ?? ""}`.trim()}\n\nRun 'berth ${words.join(" ")} --help' for more information\n`;
    expect(bad).toEqual({ code: 1, out: "", err: `berth: unknown command: berth ${words.join(" ")} bogus\n\n${more}` });
    expect(await berth([...words, "--bogus"])).toEqual({ code: 125, out: "", err: `unknown flag: --bogus\n\n${more}` });
  },
);

test("-h is the host name in run and create, as Docker's, and help elsewhere, which is said to be old", async () => {
  expect((await berth(["run", "-h"])).err).toContain("flag needs an argument: 'h' in -h");
  for (const argv of [
    ["ps", "-h"],
    ["container", "-h"],
    ["-h", "ps"],
  ]) {
    const { code, out, err } = await berth(argv);
    // Docker says it on stdout, and of its own flag on stderr.
    const note = "Flag shorthand -h has been deprecated, use --help\n";
    const own = argv[0] === "-h";
    expect([code, err]).toEqual([0, own ? note : ""]);
    expect(out).toStartWith(`${own ? "" : note}Usage:  berth `);
  }
});

test("help of what is not there", async () => {
  for (const argv of [["bogus"], ["container", "bogus"], ["ps", "bogus"]]) {
    expect(await berth(["help", ...argv])).toEqual({ code: 1, out: "", err: "unknown help topic: bogus\n" });
  }
});

test("where an argument has forms of its own, the help says what each means", async () => {
  const { out } = await berth(["copy", "--help"]);
  expect(out).toContain("\n\nArguments:\n  NAME[:TAG|@DIGEST]          An image of a registry, or all of an index\n");
  expect(out).toContain("\n  -                           Standard input or output, as oci-archive:-\n\nOptions:\n");
  expect((await berth(["ps", "--help"])).out).not.toContain("Arguments:");
});
