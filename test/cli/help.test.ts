import { expect, test } from "bun:test";
import { COMMANDS, COMMON, GROUPS } from "../../src/cli/commands.ts";
import { berth } from "./harness.ts";

const WIDTH = 100;
const MEMBERS = Object.entries(GROUPS).flatMap(([group, { commands }]) =>
  Object.keys(commands).map((name): string[] => [group, name]),
);
const ALL: string[][] = [...Object.keys(COMMANDS).map((name) => [name]), ...MEMBERS];

/** The lines of a help text. Help asks no engine: there is none at this host. */
async function help(...argv: string[]): Promise<string[]> {
  const { code, out, err } = await berth(argv, { host: "unix:///nonexistent/engine.sock" });
  expect([code, err]).toEqual([0, ""]);
  return out.split("\n");
}

test.each(ALL.map((words): [string, string[]] => [words.join(" "), words]))("berth %s --help", async (name, words) => {
  const lines = await help(...words, "--help");
  expect(lines[0]).toStartWith(`Usage:  berth ${name}`);
  expect(lines[2]).toMatch(/^[A-Z]/);
  expect(lines.filter((line) => line.length > WIDTH)).toEqual([]);
  const { default: command } = (await (words.length === 1
    ? COMMANDS[words[0] ?? ""]
    : GROUPS[words[0] ?? ""]?.commands[words[1] ?? ""])?.()) ?? { default: undefined };
  for (const [flag, spec] of Object.entries(command?.flags ?? {})) {
    const line = lines.find((l) => l.includes(` --${flag} `));
    expect([flag, line !== undefined]).toEqual([flag, spec.hidden !== true]);
    if (line) expect(line.split(/ {3,}/).at(-1)).toMatch(/^[A-Z'"]/);
  }
  // `help run` is `run --help`; a help flag counts wherever a flag may stand, and whatever else is wrong behind it.
  expect(await help("help", ...words)).toEqual(lines);
  expect(await help(...words, "--help", "--no-such-flag")).toEqual(lines);
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

test.each(Object.keys(GROUPS))("berth %s alone shows its commands, on stderr; with --help on stdout", async (group) => {
  const alone = await berth([group]);
  const lines = await help(group, "--help");
  expect([alone.code, alone.out]).toEqual([0, ""]);
  expect(alone.err.split("\n")).toEqual(lines);
  const shown = lines.flatMap((l) => /^ {2}([a-z]+) {2,}\S/.exec(l)?.[1] ?? []);
  expect(shown).toEqual(Object.keys(GROUPS[group]?.commands ?? {}));
});

test("-h is the host name in run and create, as Docker's, and help elsewhere", async () => {
  expect((await berth(["run", "-h"])).err).toContain("flag needs an argument: 'h' in -h");
  expect((await help("ps", "-h"))[0]).toBe("Usage:  berth ps [OPTIONS]");
});
