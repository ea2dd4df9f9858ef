import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { until, withHelpers } from "./harness.ts";

/** A small generator with a fixed seed (Park and Miller), so that a failure can be repeated. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => (state = (state * 48271) % 0x7fffffff) % limit;
}

const WORDS = [
  "control\n",
  "attach ",
  "attach stdin=1 stdout=1 stderr=1\n",
  "attach stdin=2\n",
  "attach stdin=1stdout=1\n",
  "attach \n",
  "signal 0\n",
  "signal -1\n",
  "signal 99999999999999999999\n",
  "signal x\n",
  "signal",
  "resize 10 20\n",
  "resize -1 5\n",
  "resize 99999 1\n",
  "resize 1\n",
  "start\n",
  "start \n",
  "quit\n",
  "quit",
  "\n",
  "\0\n",
  "\r\n",
  "%s%n%n\n",
  "x".repeat(255),
  "x".repeat(256),
  "x".repeat(300),
  "x".repeat(5000),
  "\xff\xfe\n",
  " ",
  "stdin=",
  "=1\n",
]; // prettier-ignore

withHelpers("fuzz", (bench) => {
  test("garbage on the socket never disturbs the container", async () => {
    const pick = generator(20260101);
    const options = bench().prepare(["cat"], { stdio: { stdin: true }, log: { maxSize: 100_000, maxFiles: 2 } });
    const handle = await bench().launch(options);
    await handle.start();
    for (let round = 0; round < 60; round++) {
      await Promise.all(Array.from({ length: 10 }, () => pester(join(options.dir, "sock"), pick)));
    }
    const stream = await handle.attach({ stdin: true, stdout: true, stderr: true });
    const echoed = until(stream, "alive and well");
    stream.write("alive and well");
    await echoed;
    expect(await handle.signal(9)).toBe(true);
    expect(await handle.exited).toMatchObject({ code: 137 });
    await handle.gone;
  }, 300_000);

  test("a control connection that asks without reading is cut, and the helper stays small", async () => {
    const options = bench().prepare(["sleep", "1000"]);
    const handle = await bench().launch(options);
    await handle.start();
    const descriptors = (): number => readdirSync(`/proc/${handle.monitorPid}/fd`).length;
    // An answer means that the helper is done with the start and its passing descriptors.
    await handle.signal(0);
    const before = descriptors();
    const socket = connect(join(options.dir, "sock"));
    socket.on("error", () => undefined);
    await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
    socket.pause();
    socket.write("control\n");
    const chunk = "signal 0\n".repeat(1000);
    let connected = false;
    // The helper's own table tells: a socket that is not read does not always notice that its other side has gone.
    for (const until = Date.now() + 10_000; Date.now() < until && (!connected || descriptors() > before); ) {
      connected ||= descriptors() > before;
      if (!socket.destroyed) socket.write(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(connected).toBe(true);
    expect(descriptors()).toBe(before);
    socket.destroy();
    expect(await handle.signal(9)).toBe(true);
    await handle.gone;
  }, 300_000);
});

/** One client that sends a few words, well formed or not, and leaves in one of several ways. */
function pester(path: string, pick: (limit: number) => number): Promise<void> {
  const text = Array.from({ length: 1 + pick(6) }, () => WORDS[pick(WORDS.length)]).join("");
  const leave = pick(3);
  return new Promise((resolve) => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.on("error", () => undefined);
    socket.once("close", () => resolve());
    socket.on("end", () => socket.end());
    if (leave !== 2) socket.resume();
    // A signal that ends the container would end the test: only 0 is asked for.
    socket.write(Buffer.from(text, "latin1"), () => {
      if (leave === 0) socket.destroy();
      else {
        socket.end();
        setTimeout(() => socket.destroy(), 10);
      }
    });
  });
}
