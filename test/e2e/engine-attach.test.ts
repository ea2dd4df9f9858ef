import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { TestDaemon } from "../../src/testing/daemon.ts";

// Attach, detach keys and attach again, at a terminal made by script(1), with both command lines.

const ROOT = join(import.meta.dir, "../..");
const UNPACKED = join(ROOT, ".build/docker/usr/bin/docker");
const CLIENTS: Record<string, string> = {
  berth: join(ROOT, "dist/berth"),
  docker: existsSync(UNPACKED) ? UNPACKED : "docker",
};
const DETACH = "\x10\x11";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** A client at a terminal of its own. */
function atTerminal(client: string, ...args: string[]) {
  const words = [CLIENTS[client] ?? client, "-H", `unix://${daemon.socket}`, ...args];
  const command = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const child = Bun.spawn(["script", "-q", "-e", "-c", command, "/dev/null"], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, DOCKER_CONFIG: "/nonexistent", TERM: "xterm" },
  });
  let output = "";
  let look: () => void = () => undefined;
  const reading = (async () => {
    for await (const chunk of child.stdout) {
      output += Buffer.from(chunk).toString();
      look();
    }
  })();
  return {
    /** Resolves when the terminal has shown this. */
    async shows(text: string | RegExp): Promise<string> {
      const there = (): boolean => (typeof text === "string" ? output.includes(text) : text.test(output));
      while (!there()) {
        await new Promise<void>((resolve) => {
          look = resolve;
        });
      }
      return output;
    },
    async types(text: string): Promise<void> {
      child.stdin.write(text);
      await child.stdin.flush();
    },
    /** Its exit code, when all was read. */
    async ends(): Promise<number> {
      await reading;
      return child.exited;
    },
    output: () => output,
  };
}

const state = (name: string): Promise<string> => daemon.ok("inspect", "-f", "{{.State.Status}}", name);
const shell = ["busybox", "sh", "-c", 'echo ready; while read -r line; do echo "got <$line>"; done'];

for (const client of Object.keys(CLIENTS)) {
  test(`${client}: run -it, detach by ctrl-p ctrl-q, attach again, end of input ends it`, async () => {
    const name = `${client}-it`;
    const first = atTerminal(client, "run", "-it", "--name", name, ...shell);
    await first.shows("ready");
    await first.types("one\r");
    await first.shows("got <one>");
    await first.types(DETACH);
    expect(await first.ends()).toBe(0);
    expect(await state(name)).toBe("running");

    const again = atTerminal(client, "attach", name);
    await again.types("two\r");
    await again.shows("got <two>");
    expect(again.output()).not.toContain("got <one>");
    await again.types("\x04");
    expect(await again.ends()).toBe(0);
    expect(await state(name)).toBe("exited");
    await daemon.ok("rm", name);
  });

  test(`${client}: ctrl-p alone reaches the program; what was held back is not lost`, async () => {
    const name = `${client}-held`;
    const one = atTerminal(
      client,
      "run",
      "-it",
      "--name",
      name,
      "busybox",
      "sh",
      "-c",
      "stty raw -echo; echo up; head -c 3 | hexdump -C",
    );
    await one.shows("up");
    await one.types("\x10a\x10");
    await one.types("b");
    await one.shows(/10 61 10/);
    expect(await one.ends()).toBe(0);
    await daemon.ok("rm", name);
  });

  test(`${client}: keys of one's own with --detach-keys`, async () => {
    const name = `${client}-keys`;
    await daemon.ok("run", "-dit", "--name", name, ...shell);
    const one = atTerminal(client, "attach", "--detach-keys", "ctrl-x,d", name);
    await one.types("here\r");
    await one.shows("got <here>");
    await one.types(`${DETACH}still\r`);
    await one.shows("still>");
    await one.types("\x18d");
    await one.ends();
    expect(await state(name)).toBe("running");
    await daemon.ok("rm", "-f", name);
  });

  test(`${client}: attach ends with the container and has its exit code`, async () => {
    const name = `${client}-code`;
    await daemon.ok("run", "-dit", "--name", name, "busybox", "sh", "-c", "read x; exit 7");
    const one = atTerminal(client, "attach", name);
    await one.types("go\r");
    expect(await one.ends()).toBe(7);
    await daemon.ok("rm", name);
  });

  test(`${client}: two at one container see the same; one leaves, the other stays`, async () => {
    const name = `${client}-two`;
    await daemon.ok("run", "-dit", "--name", name, ...shell);
    const [one, two] = [atTerminal(client, "attach", name), atTerminal(client, "attach", name)];
    await one.types("first\r");
    await one.shows("got <first>");
    await two.types("second\r");
    await two.shows("got <second>");
    await one.shows("got <second>");
    await one.types(DETACH);
    await one.ends();
    await two.types("third\r");
    await two.shows("got <third>");
    expect(one.output()).not.toContain("third");
    await daemon.ok("rm", "-f", name);
    await two.ends();
  });

  test(`${client}: exec -it can be left and goes on`, async () => {
    const name = `${client}-exec`;
    await daemon.ok("run", "-d", "--name", name, "busybox", "sleep", "1000");
    const one = atTerminal(client, "exec", "-it", name, "sh", "-c", "echo in; exec sleep 4321");
    await one.shows("in");
    await one.types(DETACH);
    await one.ends();
    expect((await daemon.ok("top", name)).match(/sleep 4321/g)).toHaveLength(1);
    await daemon.ok("rm", "-f", name);
  });

  test(`${client}: attached over a crash of the daemon: the client ends, the container does not`, async () => {
    const name = `${client}-crash`;
    const one = atTerminal(client, "run", "-it", "--name", name, ...shell);
    await one.shows("ready");
    await daemon.crash();
    await one.ends();
    await daemon.up();
    expect(await state(name)).toBe("running");
    const again = atTerminal(client, "attach", name);
    await again.types("back\r");
    await again.shows("got <back>");
    await again.types(DETACH);
    await again.ends();
    await daemon.ok("rm", "-f", name);
  });
}

test("without a terminal attach has no keys: the bytes are the program's", async () => {
  await daemon.ok("run", "-di", "--name", "plain", "busybox", "sh", "-c", "head -c 3 | hexdump -C; sleep 1000");
  const child = Bun.spawn([CLIENTS["berth"] ?? "", "-H", `unix://${daemon.socket}`, "attach", "plain"], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  child.stdin.write(`${DETACH}x`);
  await child.stdin.flush();
  let seen = "";
  for await (const chunk of child.stdout) {
    seen += Buffer.from(chunk).toString();
    if (seen.includes("10 11 78")) break;
  }
  expect(seen).toContain("10 11 78");
  // SIGTERM would be the container's.
  child.kill("SIGKILL");
  await child.exited;
  await daemon.ok("rm", "-f", "plain");
});
