import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { launchExec, readExit } from "../../src/host/monitor.ts";
import type { MonitorHandle, MonitorOptions, StdioOptions } from "../../src/host/monitor-types.ts";
import { messageOf } from "../../src/spec/errors.ts";
import { type Bench, collect, processSpec, split, until, withHelpers } from "./harness.ts";

const ALL = { stdin: true, stdout: true, stderr: true };
let count = 0;

/** An exec in a running container, not started. */
async function exec(
  bench: Bench,
  container: { options: MonitorOptions; handle: MonitorHandle },
  args: string[],
  stdio: Partial<StdioOptions> = {},
) {
  const id = `e${count++}`;
  const dir = join(bench.dir, "execs", id);
  mkdirSync(dir, { recursive: true });
  const all = { tty: false, stdin: false, stdinOnce: true, ...stdio };
  const size = all.rows && all.cols ? { consoleSize: { height: all.rows, width: all.cols } } : {};
  writeFileSync(join(dir, "process.json"), JSON.stringify(processSpec(args, all.tty, size)));
  const { id: containerId, runtime } = container.options;
  const handle = await launchExec(
    { id, containerId, dir, runtime, stdio: all, monitorPid: container.handle.monitorPid },
    bench.helper,
  );
  return { handle, dir };
}

async function container(bench: Bench) {
  const options = bench.prepare(["sleep", "1000"]);
  const handle = await bench.launch(options);
  await handle.start();
  return { options, handle };
}

withHelpers("exec", (bench) => {
  test("runs in the container, with its own streams and exit code", async () => {
    const c = await container(bench());
    const { handle, dir } = await exec(bench(), c, ["sh", "-c", "cat; cat /proc/1/comm >&2; exit 9"], { stdin: true });
    const stream = await handle.attach(ALL);
    const output = collect(stream);
    await handle.start();
    stream.end("piped");
    expect(split(await output, false)).toEqual({ stdout: "piped", stderr: "sleep\n" });
    expect(await handle.exited).toMatchObject({ code: 9, oomKilled: false });
    await handle.gone;
    expect(readExit(dir)?.code).toBe(9);
    await c.handle.signal(9);
    await c.handle.gone;
  });

  test("has a terminal of its own that can be resized", async () => {
    const c = await container(bench());
    // crun gives an exec's terminal its size only after the process may have asked for it.
    const script =
      'until [ "$(stty size 2>/dev/null)" = "5 6" ]; do :; done; trap "stty size; exit 0" WINCH; echo ready; while :; do read l; done';
    const { handle } = await exec(bench(), c, ["sh", "-c", script], { tty: true, stdin: true, rows: 5, cols: 6 });
    const stream = await handle.attach(ALL);
    const ready = until(stream, "ready\r\n");
    await handle.start();
    expect(await ready).toBe("ready\r\n");
    const resized = until(stream, "7 8\r\n");
    await handle.resize(7, 8);
    await resized;
    await handle.gone;
    await c.handle.signal(9);
    await c.handle.gone;
  });

  test("a missing command, a stopped container and a dead monitor are told apart", async () => {
    const c = await container(bench());
    const { handle } = await exec(bench(), c, ["no-such-command"]);
    expect(await handle.start().then(() => "", messageOf)).toMatch(/no-such-command.*not found/);
    expect((await handle.exited).code).toBe(127);
    const late = await exec(bench(), c, ["true"]);
    await c.handle.signal(9);
    await c.handle.gone;
    expect(await late.handle.start().then(() => "", messageOf)).toContain(c.options.id);
    expect(await exec(bench(), c, ["true"]).then(() => "", messageOf)).toContain("container's monitor");
  });

  test("ends with its container", async () => {
    const c = await container(bench());
    const { handle } = await exec(bench(), c, ["sleep", "1000"]);
    await handle.start();
    await c.handle.signal(9);
    expect(await handle.exited).toMatchObject({ code: 137, signal: 9 });
    await Promise.all([handle.gone, c.handle.gone]);
  });

  test("does not wait for what it left running in the container", async () => {
    const c = await container(bench());
    const { handle } = await exec(bench(), c, ["sh", "-c", "sleep 1000 & echo done"]);
    const output = collect(await handle.attach(ALL));
    await handle.start();
    expect(split(await output, false).stdout).toBe("done\n");
    await handle.gone;
    await c.handle.signal(9);
    await c.handle.gone;
  });
});
