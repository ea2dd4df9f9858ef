import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";
import { type OnTerminal, onTerminal } from "../cli/pty.ts";

// What a person at a terminal sees. The exit codes are those of docker 28 on the same engine.

const BERTH = join(import.meta.dir, "../../dist/berth");
const LIMIT = 300_000;
const CTRL_C = "\x03";
const DETACH = "\x10\x11";
const INTERRUPTED = 130;

let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await TestDaemon.start();
  await daemon.ok("run", "-d", "--name", "bg", "busybox", "sh", "-c", "echo started; sleep 1000");
}, LIMIT);

afterAll(() => daemon[Symbol.asyncDispose]());

function berth(...argv: string[]): OnTerminal {
  return onTerminal([BERTH, "-H", `unix://${daemon.socket}`, ...argv]);
}

/** `berth ARGV` inside a shell on a terminal, between two looks at the terminal's settings, with its exit code. */
function betweenSettings(...argv: string[]): OnTerminal {
  const script = `echo "<$(stty -g)>"; "$@"; echo "[code $?]"; echo "<$(stty -g)>"; echo "[over]"`;
  return onTerminal(["bash", "-c", script, "-", BERTH, "-H", `unix://${daemon.socket}`, ...argv]);
}

function settings(output: string): string[] {
  return [...output.matchAll(/<([0-9a-f:]+)>/g)].map((m) => m[1] ?? "");
}

async function running(name: string): Promise<string> {
  return daemon.ok("inspect", "-f", "{{.State.Running}}", name);
}

test(
  "run -it: the container's terminal follows the size; its exit code is ours; the terminal is as before",
  async () => {
    const t = betweenSettings("run", "-it", "--rm", "busybox", "sh");
    await t.until("/ # ");
    t.type("stty size; echo 'a'b\r");
    await t.until("30 100");
    await t.until("ab");
    t.resize(77, 33);
    // The change has to come through to the container; what the shell says is the only sign of it.
    const asked = "until [ \"$(stty size)\" = '33 77' ]; do sleep 0.05; done; echo 'fol'lowed\r";
    t.type(asked);
    await t.until("followed");
    t.type("exit 4\r");
    await t.until("[code 4]");
    await t.until("[over]");
    const [before, after] = settings(t.output());
    expect(after).toBe(before ?? "no settings");
  },
  LIMIT,
);

test(
  "ctrl-C in run without -i goes to the container",
  async () => {
    const script = "trap 'echo got it; exit 5' INT; echo ready; sleep 1000 & wait";
    const t = berth("run", "--rm", "--name", "trapped", "busybox", "sh", "-c", script);
    await t.until("ready");
    t.type(CTRL_C);
    await t.until("got it");
    expect(await t.ended()).toBe(5);
    expect((await daemon.berth("inspect", "trapped")).code).toBe(1);
  },
  LIMIT,
);

test(
  "ctrl-C in run -it is a key: the shell inside gets it, and goes on",
  async () => {
    const t = berth("run", "-it", "--rm", "busybox", "sh");
    await t.until("/ # ");
    t.type("echo 'sleep'ing; sleep 1000\r");
    await t.until("sleeping");
    t.type(CTRL_C);
    await t.until("/ # ");
    t.type("echo 'st'ill\r");
    await t.until("still");
    t.type("exit\r");
    expect(await t.ended()).toBe(0);
  },
  LIMIT,
);

test.each([
  [["logs", "-f", "bg"], "started"],
  [["events", "--since", "1h"], "container start"],
  [["stats", "bg"], "bg"],
  [["exec", "bg", "sh", "-c", "echo inside; sleep 1000"], "inside"],
])(
  "ctrl-C ends %p at once, without a word, and nothing else",
  async (argv, sign) => {
    const t = berth(...argv);
    await t.until(sign);
    t.type(CTRL_C);
    expect(await t.ended()).toBe(INTERRUPTED);
    expect(t.output().slice(t.output().lastIndexOf("^C"))).toBe("^C");
    expect(await running("bg")).toBe("true");
  },
  LIMIT,
);

test(
  "ctrl-C in build ends it, and leaves no container",
  async () => {
    const folder = join(daemon.root, "context");
    mkdirSync(folder);
    writeFileSync(join(folder, "Dockerfile"), "FROM busybox\nRUN echo build'ing'; sleep 1000\n");
    const before = (await daemon.leftovers()).processes.length;
    const t = berth("build", folder);
    await t.until("\nbuilding");
    t.type(CTRL_C);
    expect(await t.ended()).toBe(INTERRUPTED);
    while ((await daemon.leftovers()).processes.length > before) await Bun.sleep(20);
    expect(await daemon.ok("ps", "-a", "--format", "{{.Names}}")).toBe("bg");
  },
  LIMIT,
);

test(
  "detach keys: run ends with 0, attach and exec with 1 and a word; the container goes on; the terminal is as before",
  async () => {
    const t = betweenSettings("run", "-it", "--name", "kept", "busybox", "sh");
    await t.until("/ # ");
    t.type(DETACH);
    await t.until("[code 0]");
    await t.until("[over]");
    const again = betweenSettings("attach", "--detach-keys", "ctrl-a,b", "kept");
    again.type("\r");
    await again.until("/ # ");
    again.type("\x01b");
    await again.until("read escape sequence");
    await again.until("[code 1]");
    await again.until("[over]");
    const exec = betweenSettings("exec", "-it", "kept", "sh");
    await exec.until("/ # ");
    exec.type(DETACH);
    await exec.until("[code 1]");
    await exec.until("[over]");
    for (const each of [t, again, exec]) {
      const [before, after] = settings(each.output());
      expect(after).toBe(before ?? "no settings");
    }
    expect(await running("kept")).toBe("true");
    const last = berth("attach", "kept");
    last.type("exit 6\r");
    expect(await last.ended()).toBe(6);
    await daemon.ok("rm", "kept");
  },
  LIMIT,
);

test(
  "a signal that ends the program puts the terminal back first",
  async () => {
    const t = betweenSettings("exec", "-it", "bg", "sh", "-c", "echo raw; sleep 1000");
    await t.until("raw");
    const [pid = ""] = (await run(["pgrep", "-f", `^${BERTH} -H unix://${daemon.socket} exec -it bg`])).stdout.split(
      "\n",
    );
    process.kill(Number(pid), "SIGTERM");
    await t.until("[code 143]");
    await t.until("[over]");
    const [before, after] = settings(t.output());
    expect(after).toBe(before ?? "no settings");
  },
  LIMIT,
);

test(
  "a reader that has gone ends logs, events and ps quietly",
  async () => {
    await daemon.ok("run", "--name", "lines", "busybox", "seq", "1", "200000");
    for (const argv of ["logs lines", "logs -f lines", "events --since 1h", "ps -a --format '{{json .}}'"]) {
      const script = `"${BERTH}" -H unix://${daemon.socket} ${argv} | head -n 1 >/dev/null`;
      expect([argv, (await run(["bash", "-c", script])).stderr]).toEqual([argv, ""]);
    }
    await daemon.ok("rm", "lines");
  },
  LIMIT,
);

test(
  "prune asks; what is not yes is no",
  async () => {
    await daemon.ok("create", "--name", "spare", "busybox", "true");
    const no = berth("container", "prune");
    await no.until("[y/N] ");
    no.type("n\r");
    expect(await no.ended()).toBe(0);
    expect(await daemon.ok("ps", "-aqf", "name=spare")).not.toBe("");
    const yes = berth("container", "prune");
    await yes.until("[y/N] ");
    yes.type("y\r");
    await yes.until("Total reclaimed space");
    expect(await yes.ended()).toBe(0);
    expect(await daemon.ok("ps", "-aqf", "name=spare")).toBe("");
  },
  LIMIT,
);

test(
  "a daemon that dies under an attached terminal: a word, a code, and the terminal is as before",
  async () => {
    const t = betweenSettings("run", "-it", "--name", "orphan", "busybox", "sh");
    await t.until("/ # ");
    await daemon.crash();
    await t.until("[over]");
    const [before, after] = settings(t.output());
    expect(after).toBe(before ?? "no settings");
    expect(t.output()).not.toContain("[code 0]");
    await daemon.up();
    expect(await running("orphan")).toBe("true");
  },
  LIMIT,
);
