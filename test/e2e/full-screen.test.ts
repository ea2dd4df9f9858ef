import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";
import { type OnTerminal, onTerminal } from "../cli/pty.ts";

// Full-screen programs on a real terminal, by docker's and by Berth's command line.

const CLIENTS = { docker: DOCKER, berth: join(import.meta.dir, "../../dist/berth") };
const CTRL_C = "\x03";
const CTRL_Z = "\x1a";
const ESCAPE = "\x1b";
const DETACH = "\x10\x11";
const LIMIT = 300_000;
const RETRY_MS = 1500;
/** Where a full-screen program puts its last line. */
const lastLine = (row: number): string => `\x1b[${row};1H`;

let daemon: TestDaemon;

beforeAll(async () => {
  daemon = await TestDaemon.start();
}, LIMIT);
afterAll(() => daemon[Symbol.asyncDispose]());

/** A command line inside a shell on a terminal, between two looks at the terminal's settings, with its exit code. */
function betweenSettings(by: keyof typeof CLIENTS, ...argv: string[]): OnTerminal {
  const script = `trap : INT; echo "<$(stty -g)>"; "$@"; echo "[code $?]"; echo "<$(stty -g)>"; echo "[over]"`;
  const env = { DOCKER_HOST: `unix://${daemon.socket}`, TERM: "xterm" };
  return onTerminal(["bash", "-c", script, "-", CLIENTS[by], ...argv], env);
}

async function expectSame(t: OnTerminal): Promise<void> {
  await t.until("[over]");
  const [before, after] = [...t.output().matchAll(/<([0-9a-f:]+)>/g)].map((m) => m[1]);
  expect(before).toBeString();
  expect(after).toBe(before);
}

/**
 * Changes the size until the program shows `sign`. Docker's command line misses a change that comes between its look at the first size and
 * its listening for changes.
 */
async function resized(t: OnTerminal, size: { columns: number; rows: number }, sign: string): Promise<void> {
  let shown = false;
  const seen = t.until(sign).then(() => (shown = true));
  while (!shown) {
    t.resize(size.columns + 1, size.rows);
    t.resize(size.columns, size.rows);
    await Promise.race([seen, Bun.sleep(RETRY_MS)]);
  }
}

const BOTH = ["docker", "berth"] as const;

test.each(BOTH)(
  "%s: vi draws, is resized, stopped, resumed and left; the terminal is as before",
  async (by) => {
    const t = betweenSettings(by, "run", "-it", "--rm", "busybox", "sh");
    await t.until("/ # ");
    t.type("vi /file\r");
    await t.until(lastLine(30));
    await resized(t, { columns: 90, rows: 20 }, lastLine(20));
    t.type("ihello from vi");
    await t.until("hello from vi");
    t.type(ESCAPE);
    t.type(CTRL_C);
    t.type(CTRL_Z);
    await t.until("/ # ");
    t.type("jobs; echo 'in'side\r");
    await t.until("Stopped");
    await t.until("inside");
    t.type("fg\r");
    await t.until(lastLine(20));
    t.type(":wq\r");
    await t.until("/ # ");
    t.type("cat /file; exit 3\r");
    await t.until("hello from vi");
    await t.until("[code 3]");
    await expectSame(t);
  },
  LIMIT,
);

test.each(BOTH)(
  "%s: top fills what the terminal has, by run and by exec; q and ctrl-C end it",
  async (by) => {
    const t = betweenSettings(by, "run", "-it", "--name", `${by}-top`, "busybox", "top", "-d", "1");
    await t.until("Mem:");
    await t.until("PID  PPID");
    await resized(t, { columns: 40, rows: 12 }, "%VSZ %CP\x1b[m");
    const exec = betweenSettings(by, "exec", "-it", `${by}-top`, "top", "-d", "1");
    await exec.until("PID  PPID");
    exec.type("q");
    await exec.until("[code 0]");
    await expectSame(exec);
    const stopped = betweenSettings(by, "exec", "-it", `${by}-top`, "sh", "-c", "stty size; exec top -d 1");
    await stopped.until("30 100");
    await stopped.until("PID  PPID");
    stopped.type(CTRL_C);
    await stopped.until("[code 0]");
    await expectSame(stopped);
    t.type("q");
    await t.until("[code 0]");
    await expectSame(t);
    await daemon.ok("rm", `${by}-top`);
  },
  LIMIT,
);

test.each(BOTH)(
  "%s: detach from vi by the keys, also others; the next one sees it drawn for its own size",
  async (by) => {
    const name = `${by}-detached`;
    const t = betweenSettings(by, "run", "-it", "--name", name, "busybox", "vi", "/file");
    await t.until(lastLine(30));
    t.type(DETACH);
    await t.until("[code 0]");
    await expectSame(t);
    const again = betweenSettings(by, "attach", "--detach-keys", "ctrl-x,x", name);
    await resized(again, { columns: 70, rows: 25 }, lastLine(25));
    // The keys that are no detach keys here reach vi, where they are nothing.
    again.type(`i${DETACH}kept${ESCAPE}`);
    await again.until("kept");
    again.type("\x18x");
    await again.until("[code 1]");
    await expectSame(again);
    const last = betweenSettings(by, "attach", name);
    await resized(last, { columns: 60, rows: 22 }, lastLine(22));
    last.type(":q!\r");
    await last.until("[code 0]");
    await expectSame(last);
    await daemon.ok("rm", name);
  },
  LIMIT,
);

test.each(BOTH)(
  "%s: a container that is killed, stopped or removed under vi leaves the terminal as it was",
  async (by) => {
    for (const [argv, code] of [
      [["kill"], 137],
      [["stop", "-t", "0"], 137],
      [["rm", "-f"], 137],
    ] as const) {
      const name = `${by}-ended`;
      const t = betweenSettings(by, "run", "-it", "--rm", "--name", name, "busybox", "vi", "/file");
      await t.until(lastLine(30));
      await daemon.ok(...argv, name);
      await t.until(`[code ${code}]`);
      await expectSame(t);
    }
  },
  LIMIT,
);

test.each(BOTH)(
  "%s: 64 KiB pasted into a terminal arrive whole, and so do letters of all scripts",
  async (by) => {
    const t = betweenSettings(
      by,
      "run",
      "-it",
      "--rm",
      "busybox",
      "sh",
      "-c",
      "stty raw -echo; echo ready; head -c 65536 | md5sum; head -c 9",
    );
    await t.until("ready");
    const text = "0123456789abcdef".repeat(4096);
    for (let at = 0; at < text.length; at += 1024) t.type(text.slice(at, at + 1024));
    await t.until(new Bun.CryptoHasher("md5").update(text).digest("hex"));
    t.type("泊é船x");
    await t.until("泊é船x");
    await t.until("[code 0]");
    await expectSame(t);
  },
  LIMIT,
);

test.each(BOTH)(
  "%s: stats is redrawn in place; containers that start join, and those that end leave",
  async (by) => {
    const name = `${by}-stats`;
    const t = betweenSettings(by, "stats", "--format", "table {{.Name}}|{{.PIDs}}|{{.MemUsage}}");
    await t.until("NAME|PIDS|MEM USAGE");
    await daemon.ok("run", "-d", "--name", name, "busybox", "sleep", "1000");
    await t.until(`${name}|1|`);
    await t.until("\x1b[H");
    await daemon.ok("rm", "-f", name);
    const rest = t.output().length;
    // Only what is drawn after the end counts: the third time that the cursor goes home.
    for (let drawn = 0; drawn < 3; drawn++) await t.until("\x1b[H");
    expect(t.output().slice(Math.max(rest, t.output().lastIndexOf("NAME|PIDS")))).not.toContain(name);
    t.type(CTRL_C);
    await t.until("[code 130]");
    await expectSame(t);
  },
  LIMIT,
);
