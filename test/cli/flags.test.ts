import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ALIASES, COMMANDS, GROUPS } from "../../src/cli/commands.ts";
import { DOCKER } from "../../src/testing/daemon.ts";

/** `docker COMMAND --help` of Docker 28.2: flags by command, as `-x, --name`. */
const GOLDEN: Record<string, string[]> = JSON.parse(readFileSync(join(import.meta.dir, "docker-flags.json"), "utf8"));

/** What Berth does not take, and why. */
const CLUSTER_ONLY =
  "availability group limit-bytes required-bytes scope secret sharing topology-preferred topology-required type";
const REFUSED: Record<string, string[]> = {
  // Checkpoints need CRIU, cluster volumes a swarm.
  start: ["--checkpoint", "--checkpoint-dir"],
  "volume create": CLUSTER_ONLY.split(" ").map((name) => `--${name}`),
};

function dockerFlags(command: string): string[] | undefined {
  const help = spawnSync(DOCKER, [...command.split(" "), "--help"], { encoding: "utf8" });
  if (help.error || help.status !== 0) return undefined;
  const flags = [...help.stdout.matchAll(/^ {2}(?:-(\w), | {4})--([a-z0-9-]+)/gm)];
  const names = flags.map(([, letter, name]) => (letter ? `-${letter}, --${name}` : `--${name}`));
  // Another builder or version may stand behind the name: `docker build` of buildx has flags of its own.
  return /buildx/i.test(help.stdout) ? undefined : names.filter((n) => n !== "--help");
}

async function berthFlags(command: string): Promise<string[]> {
  const [first = "", second = ""] = command.split(" ");
  const loader = second === "" ? COMMANDS[first] : GROUPS[first]?.commands[ALIASES[first]?.[second] ?? second];
  if (!loader) throw new Error(`berth has no command ${command}`);
  const { flags } = (await loader()).default;
  return Object.entries(flags).map(([name, spec]) => (spec.short ? `-${spec.short}, --${name}` : `--${name}`));
}

test.each(Object.keys(GOLDEN))("berth %s takes every flag that docker's does", async (command) => {
  const theirs = dockerFlags(command) ?? GOLDEN[command] ?? [];
  const ours = new Set(await berthFlags(command));
  expect(theirs.filter((flag) => !ours.has(flag) && !REFUSED[command]?.includes(flag))).toEqual([]);
});

test("every command has a summary, and its flags have help", async () => {
  const loaders = [...Object.values(COMMANDS), ...Object.values(GROUPS).flatMap((g) => Object.values(g.commands))];
  for (const load of loaders) {
    const command = (await load()).default;
    expect(command.summary).not.toBe("");
    for (const [name, spec] of Object.entries(command.flags)) expect([name, spec.help !== ""]).toEqual([name, true]);
  }
});
