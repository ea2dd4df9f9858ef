import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/host/spawn.ts";
import { type FakeEngine, fakeEngine } from "./fake-engine.ts";
import { berth } from "./harness.ts";
import { onTerminal } from "./pty.ts";

const ID = `abc123${"0".repeat(58)}`;

let engine: FakeEngine;

beforeAll(async () => {
  engine = await fakeEngine({
    "GET /containers/json": [
      { Id: ID, Names: ["/web", "/other/link"], Image: "nginx" },
      { Id: `f${"1".repeat(63)}`, Names: ["/db"], Image: "sql" },
    ],
    "GET /images/json": [{ Id: `sha256:${ID}`, RepoTags: ["busybox:latest", "<none>:<none>"] }],
    "GET /networks": [{ Id: ID, Name: "bridge", Driver: "bridge" }],
    "GET /volumes": { Volumes: [{ Name: "data", Driver: "local" }] },
    "GET /plugins": [],
  });
});

afterAll(() => engine[Symbol.asyncDispose]());

/** Candidates without their descriptions, and the directive. */
async function complete(...words: string[]): Promise<[string[], number]> {
  const { code, out } = await berth(["__completeNoDesc", ...words], { host: engine.host });
  expect(code).toBe(0);
  const lines = out.trimEnd().split("\n");
  return [lines.slice(0, -1), Number(lines.at(-1)?.slice(1))];
}

const NO_FILES = 4;
const CASES: [words: string[], candidates: string[], directive: number][] = [
  [["volu"], ["volume"], NO_FILES],
  [["volume", "r"], ["rename", "rm"], NO_FILES],
  [["trust", "key", ""], ["generate", "load"], NO_FILES],
  [["system", "d"], ["df"], NO_FILES],
  [["nosuch", ""], [], NO_FILES],
  [["help", "volume", "r"], ["rename", "rm"], NO_FILES],
  [["rm", ""], ["web", "db"], NO_FILES],
  [["rm", "web", ""], ["db"], NO_FILES],
  [["rm", "abc"], ["abc123000000"], NO_FILES],
  [["container", "remove", "w"], ["web"], NO_FILES],
  [["rename", "web", ""], [], NO_FILES],
  [["run", "-it", "--name", "x", ""], ["busybox:latest"], NO_FILES],
  [["run", "busybox", ""], [], 0],
  [["run", "--name", ""], [], NO_FILES],
  [["run", "--network", ""], ["bridge"], NO_FILES],
  [["run", "--network=b"], ["--network=bridge"], NO_FILES],
  [["run", "-itv", ""], [], 0],
  [["run", "--restart", "un"], ["unless-stopped"], NO_FILES],
  [["run", "--cap-add", "CAP_SYS_P"], ["CAP_SYS_PACCT", "CAP_SYS_PTRACE"], NO_FILES],
  [["run", "--ipc", "sh"], ["shareable"], 2],
  [["run", "--env-file", ""], [], 0],
  [["run", "--health-in"], ["--health-interval"], NO_FILES],
  [["run", "--net-al"], [], NO_FILES],
  [["run", "busybox", "--name"], [], 0],
  [["logs", "--tail", "5", "w"], ["web"], NO_FILES],
  [["logs", "web", "--fol"], ["--follow"], NO_FILES],
  [["exec", "-it", "web", ""], [], 0],
  [["cp", "w"], ["web:"], 2],
  [["cp", "web:/e"], [], 0],
  [["cp", "web:/etc", "./"], [], 0],
  [["commit", "w"], ["web"], NO_FILES],
  [["tag", "busy"], ["busybox:latest"], NO_FILES],
  [["push", "b"], ["busybox:latest"], NO_FILES],
  [["pull", "b"], [], NO_FILES],
  [["build", ""], [], 0],
  [["volume", "inspect", ""], ["data"], NO_FILES],
  [["volume", "create", ""], [], NO_FILES],
  [["network", "inspect", ""], ["bridge"], NO_FILES],
  [["inspect", ""], ["web", "db", "busybox:latest", "bridge", "data"], NO_FILES],
  [["kill", "-s", "US"], ["USR1", "USR2"], NO_FILES],
  [["checkpoint", "ls", "--checkpoint-dir", ""], [], 16],
  [["--deb"], ["--debug"], NO_FILES],
  [["-H"], [], NO_FILES],
  [["-H", ""], [], NO_FILES],
  [["ps", ""], [], NO_FILES],
];

test.each(CASES)("complete %p", async (words, candidates, directive) => {
  expect(await complete(...words)).toEqual([candidates, directive]);
});

test("states are asked for where only some containers will do", async () => {
  await complete("stop", "");
  expect(engine.seen.at(-1)?.query.get("filters")).toBe('{"status":["running","paused","restarting"]}');
});

test("descriptions stand behind a tab, and the directive's name on stderr", async () => {
  expect(await berth(["__complete", "volu"])).toEqual({
    code: 0,
    out: "volume\tManage volumes\n:4\n",
    err: "Completion ended with directive: ShellCompDirectiveNoFileComp\n",
  });
});

test("the flags before the command tell the engine; one that does not answer is no matter, and none is started", async () => {
  const words = ["-H", engine.host, "-D", "volume", "rm", ""];
  expect((await berth(["__completeNoDesc", ...words], { host: "unix:///nonexistent/x.sock" })).out).toBe("data\n:4\n");
  const startDaemon = (): Promise<void> => Promise.reject(new Error("started"));
  const { code, out } = await berth(["__complete", "rm", ""], { startDaemon, env: { HOME: "/nonexistent" } });
  expect([code, out.includes("started"), out.endsWith(":4\n")]).toEqual([0, false, true]);
});

/** A folder with `berth` in it, and a shell's script under `name`. */
async function withScript(shell: string, name: string): Promise<{ folder: string; env: Record<string, string> }> {
  const folder = mkdtempSync(join(tmpdir(), "complete-"));
  const program = `#!/bin/sh\nexec ${process.execPath} ${join(import.meta.dir, "entry.ts")} "$@"\n`;
  mkdirSync(join(folder, "files"));
  writeFileSync(join(folder, "berth"), program, { mode: 0o755 });
  writeFileSync(join(folder, name), (await berth(["completion", shell])).out);
  const env = { PATH: `${folder}:${process.env["PATH"] ?? ""}`, BERTH_HOST: engine.host, HOME: folder };
  return { folder, env };
}

/** What bash would offer for a line, as readline calls the function. */
async function bash(line: string): Promise<string[]> {
  const { folder, env } = await withScript("bash", "script");
  // Readline cuts words at colons and equals signs too.
  const words: string[] = line.match(/[^\s:=]+|[:=]/g) ?? [];
  if (line.endsWith(" ")) words.push("");
  const list = words.map((word) => `'${word}'`).join(" ");
  const ask = `. "$0/script"; compopt() { :; }; COMP_WORDS=(${list}) COMP_CWORD=${words.length - 1} COMP_LINE='${line}' COMP_POINT=${line.length}
__berth_complete; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const done = await run(["bash", "-c", ask, folder], { env });
  rmSync(folder, { recursive: true });
  expect(done.stderr).toBe("");
  return done.stdout.trimEnd().split("\n");
}

test("bash completes commands, names and values", async () => {
  expect(await bash("berth volume p")).toEqual(["prune"]);
  expect(await bash("berth rm ")).toEqual(["web", "db"]);
  expect(await bash("berth run --restart ")).toEqual(["always", "no", "on-failure", "unless-stopped"]);
  expect(await bash("berth nosuch ")).toEqual([""]);
});

test("fish completes commands with their descriptions, names, values and files", async () => {
  const { folder, env } = await withScript("fish", "berth.fish");
  const fish = async (line: string): Promise<string> => {
    const ask = ["fish", "-c", `source ${folder}/berth.fish; cd ${folder}; complete -C '${line}'`];
    const done = await run(ask, { env: { ...env, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder } });
    expect(done.stderr).toBe("");
    return done.stdout.trimEnd();
  };
  expect(await fish("berth volume rm")).toBe("rm\tRemove one or more volumes");
  expect((await fish("berth rm ")).split("\n").map((l) => l.split("\t")[0])).toEqual(["db", "web"]);
  expect(await fish("berth run --network=b")).toStartWith("--network=bridge");
  expect(await fish("berth run --env-file berth.f")).toBe("berth.fish");
  expect(await fish("berth checkpoint ls --checkpoint-dir fi")).toStartWith("files/");
  rmSync(folder, { recursive: true });
});

test("zsh completes on a terminal", async () => {
  const { folder, env } = await withScript("zsh", "_berth");
  const setup = `PROMPT='> '; fpath=(${folder} $fpath); autoload -Uz compinit; compinit -u -D; cd ${folder}; echo rea''dy`;
  const zsh = onTerminal(["zsh", "-f", "-i"], { ...env, TERM: "dumb" });
  zsh.type(`${setup}\r`);
  await zsh.until("ready");
  for (const [typed, shown] of [
    ["berth volume rm\t", "volume rm"],
    ["berth run --restart un\t", "unless-stopped"],
    ["berth rm w\t", "rm web"],
    ["berth run --env-file _b\t", "_berth"],
  ] as const) {
    zsh.type(typed);
    await zsh.until(shown);
    // A ctrl-C would take with it what is typed next.
    zsh.type("\x15print cle''ared\r");
    await zsh.until("cleared");
  }
  zsh.type("exit\r");
  expect(await zsh.ended()).toBeNumber();
  rmSync(folder, { recursive: true });
});

test("each shell has a script that asks for completions", async () => {
  for (const shell of ["bash", "zsh", "fish", "powershell"]) {
    const { code, out } = await berth(["completion", shell]);
    expect([code, out.includes("__complete"), /\\\$\{/.test(out)]).toEqual([0, true, false]);
  }
});
