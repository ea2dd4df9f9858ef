import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { messageOf } from "../../src/spec/errors.ts";
import { collect, split, until, withHelpers } from "./harness.ts";

const ALL = { stdin: true, stdout: true, stderr: true };
const OUT = { stdin: false, stdout: true, stderr: true };

withHelpers("stdio", (bench) => {
  test("stdin's end reaches the container only where it is stdin-once", async () => {
    const once = await bench().run(["cat"], { stdio: { stdin: true, stdinOnce: true } }, "some input");
    expect(once).toMatchObject({ stdout: "some input", status: { code: 0 } });

    const handle = await bench().launch(
      bench().prepare(["sh", "-c", "read a; echo $a; read b; echo $b"], { stdio: { stdin: true } }),
    );
    const output = collect(await handle.attach(OUT));
    const [first, second] = [await handle.attach(ALL), await handle.attach(ALL)];
    await handle.start();
    const echoed = until(second, "one\n");
    first.end("one\n");
    await echoed;
    second.write("two\n");
    expect((await handle.exited).code).toBe(0);
    expect(split(await output, false).stdout).toBe("one\ntwo\n");
  });

  test("without stdin the container reads /dev/null, whatever a client sends", async () => {
    expect((await bench().run(["cat"], {}, "ignored")).stdout).toBe("");
  });

  test("8 MB of input arrive complete through a container that reads slowly", async () => {
    const size = 8 << 20;
    const stdio = { stdin: true, stdinOnce: true };
    const { stdout } = await bench().run(["sh", "-c", "sleep 0.2; wc -c"], { stdio }, "x".repeat(size));
    expect(stdout).toBe(`${size}\n`);
  });

  test("input for a container that has closed its stdin does not hang the client", async () => {
    const { status } = await bench().run(
      ["sh", "-c", "exec <&-; sleep 0.2"],
      { stdio: { stdin: true, stdinOnce: true } },
      "x".repeat(4 << 20),
    );
    expect(status.code).toBe(0);
  });

  test("a terminal has its size, echoes, and is resized with a signal", async () => {
    const script = 'stty size; trap "stty size; exit 7" WINCH; echo ready; while :; do read line; done';
    const options = bench().prepare(["sh", "-c", script], {
      stdio: { tty: true, stdin: true, rows: 20, cols: 50 },
      process: { consoleSize: { height: 20, width: 50 } },
    });
    const handle = await bench().launch(options);
    const stream = await handle.attach(ALL);
    const ready = until(stream, "ready\r\n");
    await handle.start();
    expect(await ready).toBe("20 50\r\nready\r\n");
    const echoed = until(stream, "typed\r\n");
    stream.write("typed\n");
    await echoed;
    const resized = until(stream, "33 77\r\n");
    await handle.resize(33, 77);
    await resized;
    expect((await handle.exited).code).toBe(7);
    expect(await handle.resize(1, 1).then(() => "", messageOf)).toContain("resize");
  });

  test("without a terminal resize is refused", async () => {
    const handle = await bench().launch(bench().prepare(["true"]));
    expect(await handle.resize(1, 1).then(() => "", messageOf)).toContain("no terminal");
    await handle.start();
    await handle.gone;
  });

  test("the terminal's last output is not lost", async () => {
    for (let i = 0; i < 5; i++) {
      const { stdout } = await bench().run(["seq", "1", "2000"], { stdio: { tty: true } });
      expect(stdout).toBe(Array.from({ length: 2000 }, (_, n) => `${n + 1}\r\n`).join(""));
    }
  });

  test("many clients get the streams they asked for, all of it", async () => {
    const handle = await bench().launch(bench().prepare(["sh", "-c", "seq 1 5000; seq 1 5000 >&2"]));
    const numbers = Array.from({ length: 5000 }, (_, n) => `${n + 1}\n`).join("");
    const wishes = Array.from({ length: 30 }, (_, i) => ({ stdin: false, stdout: i % 3 !== 1, stderr: i % 3 !== 2 }));
    const streams = await Promise.all(wishes.map((wish) => handle.attach(wish)));
    const outputs = Promise.all(streams.map(collect));
    await handle.start();
    expect((await outputs).map((bytes) => split(bytes, false))).toEqual(
      wishes.map((wish) => ({ stdout: wish.stdout ? numbers : "", stderr: wish.stderr ? numbers : "" })),
    );
    await handle.gone;
  });

  test("50 MB reach a slow client complete and in order, while the helper holds little", async () => {
    const handle = await bench().launch(bench().prepare(["sh", "-c", "seq 1 6500000"]));
    const [slow, fast] = [await handle.attach(OUT), await handle.attach(OUT)];
    const fastBytes = collect(fast);
    await handle.start();
    const parts: Buffer[] = [];
    let peak = 0;
    for await (const part of slow) {
      parts.push(part as Buffer);
      if (parts.length % 50 !== 0) continue;
      await new Promise((resolve) => setTimeout(resolve, 2));
      peak = Math.max(peak, residentKiB(handle.monitorPid));
    }
    const text = split(Buffer.concat(parts), false).stdout;
    expect(text.length).toBeGreaterThan(50_000_000);
    let next = 1;
    for (const line of text.trimEnd().split("\n")) if (Number(line) === next) next++;
    expect(next - 1).toBe(6_500_000);
    expect(split(await fastBytes, false).stdout === text).toBe(true);
    if (!bench().helper.endsWith("-san")) expect(peak).toBeLessThan(2048);
    await handle.gone;
  });

  test("a client that stops reading and then vanishes frees the container", async () => {
    const handle = await bench().launch(bench().prepare(["sh", "-c", "seq 1 1000000"], { stdio: { stdin: true } }));
    const stuck = await handle.attach(ALL);
    const reader = await handle.attach(OUT);
    let got = 0;
    let moved = Date.now();
    const done = (async (): Promise<void> => {
      for await (const part of reader) {
        got += (part as Buffer).length;
        moved = Date.now();
      }
    })();
    await handle.start();
    while (got === 0 || Date.now() - moved < 200) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(got).toBeLessThan(6_888_896);
    stuck.destroy();
    await done;
    expect(got).toBeGreaterThan(6_888_896);
    expect((await handle.exited).code).toBe(0);
    await handle.gone;
  });

  test("what a vanished client had sent still arrives", async () => {
    const handle = await bench().launch(bench().prepare(["cat"], { stdio: { stdin: true, stdinOnce: true } }));
    const output = collect(await handle.attach(OUT));
    const client = await handle.attach(ALL);
    await new Promise<void>((resolve) => client.write("last words", () => resolve()));
    client.destroy();
    await handle.start();
    expect(split(await output, false).stdout).toBe("last words");
    expect((await handle.exited).code).toBe(0);
  });
});

/** VmRSS of /proc/PID/status. */
function residentKiB(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0; // It has just ended.
  }
}
