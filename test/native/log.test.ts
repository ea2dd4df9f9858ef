import { expect, test } from "bun:test";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { mount, umount2 } from "../../src/host/sys.ts";
import { withHelpers } from "./harness.ts";

const KEEP = { maxSize: 0, maxFiles: 1 };

interface Entry {
  log: string;
  stream: string;
  time: string;
}

function entries(path: string): Entry[] {
  const text = readFileSync(path, "utf8");
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Entry);
}

/** The plain rotated files of a folder, the oldest first. */
function rotatedOf(dir: string): string[] {
  const numbers = readdirSync(dir).map((name) => Number(/^log\.(\d+)$/.exec(name)?.[1] ?? 0));
  return numbers
    .filter((n) => n > 0)
    .sort((a, b) => a - b)
    .map((n) => join(dir, `log.${n}`));
}

withHelpers("log", (bench) => {
  test("every line is one entry in Docker's own bytes", async () => {
    const text = 'a\\tb<>&"\\\\ \\001\\177 \\342\\200\\250 \\303\\244 \\377 \\360\\237\\230\\200\\n\\nend';
    const { options } = await bench().run(["sh", "-c", `printf '${text}'; printf 'e\\n' >&2`], { log: KEEP });
    const lines = readFileSync(options.log?.path ?? "", "utf8")
      .trimEnd()
      .split("\n");
    const time = /,"time":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z)"\}$/;
    for (const line of lines) {
      const stamp = Date.parse(time.exec(line)?.[1] ?? "");
      expect(Math.abs(Date.now() - stamp)).toBeLessThan(60_000);
    }
    expect(lines.map((line) => line.replace(time, "}")).sort()).toEqual(
      [
        '{"log":"a\\u0009b\\u003c\\u003e\\u0026\\"\\\\ \\u0001\x7f \\u2028 ä \\ufffd 😀\\n","stream":"stdout"}',
        '{"log":"\\n","stream":"stdout"}',
        '{"log":"end","stream":"stdout"}',
        '{"log":"e\\n","stream":"stderr"}',
      ].sort(),
    );
  });

  test("lines over 16 KiB come in pieces of one time, the last of which has the newline", async () => {
    const script = 'head -c 16384 /dev/zero | tr "\\0" x; echo; head -c 40000 /dev/zero | tr "\\0" y; echo; echo z';
    const { options } = await bench().run(["sh", "-c", script], { log: KEEP });
    const all = entries(options.log?.path ?? "");
    const times = all.map(({ time }) => time);
    expect([times[1], times[3], times[4]]).toEqual([times[0], times[2], times[2]]);
    const shape = all.map(({ log }) => [log[0], log.length, log.endsWith("\n")]);
    expect(shape).toEqual([
      ["x", 16384, false],
      ["\n", 1, true],
      ["y", 16384, false],
      ["y", 16384, false],
      ["y", 40000 - 2 * 16384 + 1, true],
      ["z", 2, true],
    ]);
  });

  test("a terminal's output is logged as stdout, with its carriage returns", async () => {
    const { options } = await bench().run(["echo", "hi"], { log: KEEP, stdio: { tty: true } });
    expect(entries(options.log?.path ?? "")).toMatchObject([{ log: "hi\r\n", stream: "stdout" }]);
  });

  test("rotation keeps the newest files, whole lines, in order", async () => {
    const { options } = await bench().run(["seq", "1", "3000"], { log: { maxSize: 10_000, maxFiles: 3 } });
    const path = options.log?.path ?? "";
    expect(
      readdirSync(options.dir)
        .filter((name) => name.startsWith("log"))
        .sort(),
    ).toHaveLength(3);
    const rotated = rotatedOf(options.dir);
    const numbers = [...rotated, path].flatMap((file) => entries(file).map(({ log }) => Number(log)));
    const first = numbers[0] ?? 0;
    expect(numbers).toEqual(Array.from({ length: 3001 - first }, (_, i) => first + i));
    expect(rotated.map((file) => Number(file.split(".").at(-1)))).not.toContain(1);
    for (const file of rotated) {
      const size = readFileSync(file).length;
      expect(size).toBeGreaterThanOrEqual(10_000);
      expect(size).toBeLessThan(10_200);
    }
  });

  test("rotated files are compressed beside the output, whole; a next run compresses what was left", async () => {
    const log = { maxSize: 10_000, maxFiles: 100, compress: true };
    const { options } = await bench().run(["seq", "1", "3000"], { log });
    expect(await bench().settled()).toEqual([]);
    // As gzip leaves it when it is killed: half of the result, and the file itself.
    writeFileSync(join(options.dir, "log.1"), gunzipSync(readFileSync(join(options.dir, "log.1.gz"))));
    writeFileSync(join(options.dir, "log.1.gz"), "half");
    await bench().run(["seq", "3001", "6000"], { log, id: options.id });
    expect(await bench().settled()).toEqual([]);
    // What a run has no time for the next ones do, some files each.
    for (let runs = 0; rotatedOf(options.dir).length > 0; runs++) {
      expect(runs).toBeLessThan(100);
      await bench().run(["true"], { log, id: options.id });
      expect(await bench().settled()).toEqual([]);
    }
    const names = readdirSync(options.dir)
      .filter((name) => /^log\.\d+(\.gz)?$/.test(name))
      .sort((a, b) => Number(a.split(".")[1]) - Number(b.split(".")[1]));
    const files = [...names, "log"].map((name) => {
      const bytes = readFileSync(join(options.dir, name));
      return name.endsWith(".gz") ? gunzipSync(bytes) : bytes;
    });
    const rows = Buffer.concat(files).toString().trimEnd().split("\n");
    const numbers = rows.map((row) => Number((JSON.parse(row) as Entry).log));
    expect(numbers).toEqual(Array.from({ length: 6000 }, (_, i) => i + 1));
  });

  test("without a gzip the files stay as they are", async () => {
    const path = process.env["PATH"];
    process.env["PATH"] = "/nonexistent";
    const log = { maxSize: 10_000, maxFiles: 3, compress: true };
    const { options } = await bench()
      .run(["seq", "1", "3000"], { log })
      .finally(() => (process.env["PATH"] = path));
    expect(rotatedOf(options.dir)).toHaveLength(2);
  });

  test("every entry carries the attributes; raw bytes are kept as lone surrogates", async () => {
    const log = { ...KEEP, raw: true, attrs: { b: '"2"', a: "1" } };
    const { options } = await bench().run(["sh", "-c", "printf 'x\\377\\200\\n'"], { log });
    expect(readFileSync(options.log?.path ?? "", "utf8")).toStartWith(
      '{"log":"x\\udcff\\udc80\\n","stream":"stdout","attrs":{"a":"1","b":"\\"2\\""},"time":"',
    );
  });

  test("after a torn line the next run begins a line of its own", async () => {
    const { options } = await bench().run(["echo", "one"], { log: KEEP });
    const path = options.log?.path ?? "";
    appendFileSync(path, '{"log":"torn');
    await bench().run(["echo", "two"], { log: KEEP, id: options.id });
    const rows = readFileSync(path, "utf8").split("\n");
    expect(rows[1]).toBe('{"log":"torn');
    expect(rows[2]).toStartWith('{"log":"two\\n"');
  });

  test("with one file rotation starts it anew; a restart goes on in the same file", async () => {
    const log = { maxSize: 5_000, maxFiles: 1 };
    const { options } = await bench().run(["seq", "1", "1000"], { log });
    const path = options.log?.path ?? "";
    const before = entries(path);
    expect(before.at(-1)?.log).toBe("1000\n");
    expect(existsSync(`${path}.1`)).toBe(false);
    await bench().run(["echo", "again"], { log, id: options.id });
    const after = entries(path).map(({ log }) => log);
    expect(after.at(-1)).toBe("again\n");
    expect(after.length === 1 || after.length === before.length + 1).toBe(true);
  });

  test("a full disk loses log lines, never the container; what is logged stays whole lines", async () => {
    const disk = join(bench().dir, "small");
    mkdirSync(disk);
    mount({ source: "tmpfs", target: disk, type: "tmpfs", data: "size=256k" });
    try {
      const options = bench().prepare(["sh", "-c", "seq 1 20000; read go; echo last"], { stdio: { stdin: true } });
      const path = join(disk, "log");
      const filler = join(disk, "filler");
      writeFileSync(filler, Buffer.alloc(150_000));
      const handle = await bench().launch({ ...options, log: { path, ...KEEP } });
      const stream = await handle.attach({ stdin: true, stdout: true, stderr: false });
      let seen = "";
      const all = new Promise<void>((resolve) => {
        stream.on("data", (chunk: Buffer) => {
          seen = (seen + chunk.toString("latin1")).slice(-100);
          if (seen.includes("20000\n")) resolve();
        });
      });
      await handle.start();
      await all;
      rmSync(filler);
      stream.write("go\n");
      expect((await handle.exited).code).toBe(0);
      await handle.gone;
      const kept = entries(path).map(({ log }) => log);
      expect(kept.length).toBeLessThan(20_000);
      expect(kept.at(-1)).toBe("last\n");
    } finally {
      umount2(disk, 2);
    }
  });
});
