import { expect, test } from "bun:test";
import type { Command } from "../../src/cli/command.ts";
import { GLOBAL_FLAGS } from "../../src/cli/global-flags.ts";
import { flagsText } from "../../src/cli/help.ts";
import { findPlace } from "../../src/cli/tree.ts";
import { dockerSays, dockerTree, type ShownCommand, shownFlags } from "./docker-help.ts";
import { berth } from "./harness.ts";

const TREE = await dockerTree();

const nameOf = (words: readonly string[]): string => words.join(" ") || "(global)";

async function berthCommand(words: readonly string[]): Promise<Command | "group" | undefined> {
  const place = findPlace(words);
  if (place.load) return (await place.load()).default;
  return place.rest.length === 0 ? "group" : undefined;
}

/** What a command lacks: itself, another spelling, or flags. */
async function lacks(theirs: ShownCommand): Promise<string[]> {
  const name = nameOf(theirs.words);
  const ours = await berthCommand(theirs.words);
  if (!ours) return [name];
  const spellings = await Promise.all(
    (theirs.words.length === 0 ? [] : theirs.aliases).map(async (alias) =>
      (await berthCommand(alias.split(" "))) ? "" : `alias ${alias}`,
    ),
  );
  const own = theirs.words.length === 0 ? GLOBAL_FLAGS : ours === "group" ? {} : ours.flags;
  const shown = shownFlags(flagsText("Options", visible(own)));
  const flags = Object.entries(theirs.flags).flatMap(([flag, spec]) => {
    const mine = flag === "help" ? spec : shown[flag];
    if (!mine) return [`${name} --${flag}`];
    const same = (["short", "type", "fallback"] as const).every((k) => sameText(spec[k], mine[k]));
    return same ? [] : [`${name} --${flag}: ${JSON.stringify(spec)}, not ${JSON.stringify(mine)}`];
  });
  const usage =
    ours !== "group" && ours.usage.trim().split("\n")[0] !== theirs.usage ? [`usage of ${name}: ${theirs.usage}`] : [];
  return [...spellings.filter(Boolean), ...usage, ...flags];
}

/** Docker's home stands in some defaults; the text of a default may hold the program's name. */
const sameText = (theirs: string, ours: string): boolean => theirs === ours || theirs.startsWith('"/');

/** Hidden flags count as taken. */
function visible(flags: Command["flags"]): Command["flags"] {
  return Object.fromEntries(Object.entries(flags).map(([name, spec]) => [name, { ...spec, hidden: false }]));
}

test("Berth has every command and every flag of docker's", async () => {
  const missing = (await Promise.all(TREE.map(lacks))).flat();
  const commands = TREE.filter((c) => !c.group);
  const flags = TREE.flatMap((c) => Object.keys(c.flags).filter((f) => f !== "help"));
  console.log(`docker's command line: ${commands.length} commands, ${flags.length} flags, ${missing.length} missing`);
  expect(commands.length).toBeGreaterThan(100);
  expect(flags.length).toBeGreaterThan(700);
  expect(missing).toEqual([]);
});

/** Flags that docker takes and no help of it lists. */
const UNLISTED: Record<string, string> = {
  run: "dns-opt net net-alias",
  create: "dns-opt net net-alias",
  restart: "time",
  stop: "time",
  update: "kernel-memory",
  "volume create": "name",
};

test("flags that docker takes without listing them are taken", async () => {
  for (const [name, flags] of Object.entries(UNLISTED)) {
    const command = await berthCommand(name.split(" "));
    if (!command || command === "group") throw new Error(`no command ${name}`);
    const theirs = await dockerSays([...name.split(" "), "--no-such-flag"]);
    expect(theirs.stderr).toStartWith("unknown flag: --no-such-flag");
    for (const flag of flags.split(" ")) {
      expect([flag, Object.hasOwn(command.flags, flag)]).toEqual([flag, true]);
      expect((await dockerSays([...name.split(" "), `--${flag}=1`, "--zz"])).stderr).toContain("unknown flag: --zz");
    }
  }
});

/** The words of a program about its own command line, with docker's name; without its note on builders, and one slip of its own. */
const plain = (text: string): string =>
  text
    .replaceAll("berth", "docker")
    .replace(/^DEPRECATED: The legacy builder[\s\S]*?\n\n/, "")
    .replaceAll("SRun ", "Run ");

const BAD_LINES = [[], ["a"], ["a", "b", "c", "d"], ["--no-such-flag"]];
const ABOUT_USAGE = / requires | accepts |^unknown |unknown command|^invalid argument|^flag needs/m;
/** Two short-lived programs for each line: a third of them is enough each time, all with BERTH_LINES=all. */
const EVERY = process.env["BERTH_LINES"] === "all" ? 1 : 3;
const NOWHERE = "unix:///nonexistent/x.sock";

test("a command line that cannot be understood is refused in docker's words, with its exit code", async () => {
  const groups = TREE.filter((c) => c.group);
  const notThere = groups.flatMap((c) => [
    [...c.words, "bogus"],
    [...c.words, "--bogus"],
    ["help", ...c.words, "bogus"],
  ]);
  const unfit = TREE.filter((c) => !c.group && c.words.join(" ") === c.aliases[0]).flatMap((c) => [
    ...BAD_LINES.map((tail) => [...c.words, ...tail]),
    ...Object.keys(c.flags)
      .slice(0, 1)
      .filter((f) => c.flags[f]?.type)
      .map((f) => [...c.words, `--${f}`]),
  ]);
  const lines = [...notThere, ...unfit].filter((_, i) => i % EVERY === 0);
  const differ: unknown[] = [];
  let compared = 0;
  for (const argv of lines) {
    const theirs = await dockerSays(argv);
    if (!ABOUT_USAGE.test(theirs.stderr)) continue;
    compared += 1;
    const ours = await berth(argv, { host: NOWHERE });
    const [a, b] = [
      { code: ours.code, err: plain(ours.err) },
      { code: theirs.code, err: plain(theirs.stderr) },
    ];
    if (a.code !== b.code || a.err !== b.err) differ.push({ argv, ours: a, theirs: b });
  }
  console.log(`${compared} bad command lines compared`);
  expect(differ).toEqual([]);
}, 300_000);
