// What `docker --help` says of itself, as data.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunOutcome, run } from "../../src/host/spawn.ts";
import { DOCKER } from "../../src/testing/daemon.ts";

/** A flag as a help text shows it; `type` is "" for switches, `fallback` "" without a printed default or with an empty one. */
export interface ShownFlag {
  short: string;
  type: string;
  fallback: string;
}

/** A command or group of docker's. */
export interface ShownCommand {
  words: string[];
  group: boolean;
  /** Behind the name in the usage line. */
  usage: string;
  /** Its names, this one included, without the program's: `container ls`, `ps`, … */
  aliases: string[];
  flags: Record<string, ShownFlag>;
}

const SWARM = new Set(["config", "node", "secret", "service", "stack", "swarm"]);
/** Without an engine docker hides no flag for its sake; the classic builder's flags are the ones of `docker build`. */
const ENV = {
  PATH: process.env["PATH"] ?? "",
  DOCKER_HOST: "unix:///nonexistent/x.sock",
  DOCKER_BUILDKIT: "0",
};

/** Some commands leave folders in their home. */
const HOME = mkdtempSync(join(tmpdir(), "docker-home-"));
process.once("exit", () => rmSync(HOME, { recursive: true, force: true }));

/** What docker says without an engine. */
export function dockerSays(argv: readonly string[]): Promise<RunOutcome> {
  return run([DOCKER, ...argv], { env: { ...ENV, HOME, DOCKER_CONFIG: HOME } });
}

/** Walks docker's help from the program down, without the groups of swarm mode. */
export async function dockerTree(words: string[] = []): Promise<ShownCommand[]> {
  const { stdout } = await dockerSays([...words, "--help"]);
  const names = [...section(stdout, /Commands$/).matchAll(/^ {2}([a-z][a-z-]*)\*? {2,}\S/gm)].map((m) => m[1] ?? "");
  const inner = names.filter((name) => words.length > 0 || !SWARM.has(name));
  const below = await Promise.all(inner.map((name) => dockerTree([...words, name])));
  return [described(words, stdout, inner.length > 0), ...below.flat()];
}

function described(words: string[], text: string, group: boolean): ShownCommand {
  const usage = /^Usage: {2}docker ?(.*)$/m.exec(text)?.[1] ?? "";
  const aliases = section(text, /^Aliases$/).trim();
  return {
    words,
    group,
    usage: usage.slice(words.join(" ").length).trim(),
    aliases: aliases === "" ? [words.join(" ")] : aliases.split(", ").map((name) => name.replace(/^docker /, "")),
    flags: shownFlags(section(text, /Options$/)),
  };
}

/** The lines below headings that match, up to the next heading. */
function section(text: string, heading: RegExp): string {
  let inside = false;
  return text
    .split("\n")
    .filter((line) => {
      const title = /^([A-Z].*):$/.exec(line)?.[1];
      if (title !== undefined) inside = heading.test(title);
      return inside && title === undefined;
    })
    .join("\n");
}

/** The flags of a help text's block of options, by their long names. */
export function shownFlags(block: string): Record<string, ShownFlag> {
  const flags: Record<string, ShownFlag> = {};
  for (const entry of block.split(/\n(?= {2}(?:-\w,| {3}) --)/)) {
    const [, short = "", name, type = "", help = ""] =
      /^\s*(?:-(\w),)? +--([a-z0-9-]+)(?: (\S+))?(?: {2,}([\s\S]*))?$/.exec(entry) ?? [];
    const words = help.replace(/\s+/g, " ").trim();
    const fallback = /\(default ("[^"]*"|-?[1-9]\d*|true)\)$/.exec(words)?.[1] ?? "";
    if (name) flags[name] = { short, type, fallback };
  }
  return flags;
}
