import { PassThrough, Readable, Writable } from "node:stream";
import type { CliIo } from "../../src/cli/io.ts";
import { runCli } from "../../src/cli/main.ts";
import { openRemote } from "../../src/registry/open.ts";

/** What a command line left. */
export interface CliResult {
  code: number;
  out: string;
  err: string;
}

/** How to run it. */
export interface RunOptions {
  host?: string;
  stdin?: string | Readable;
  env?: NodeJS.ProcessEnv;
  startDaemon?: () => Promise<void>;
}

/** Runs a command line in this process, against the engine at `host`, with captured streams. */
export async function berth(argv: string[], options: RunOptions = {}): Promise<CliResult> {
  const kept = { out: "", err: "" };
  const sink = (name: "out" | "err"): NodeJS.WriteStream =>
    new Writable({
      write(chunk, _encoding, done) {
        kept[name] += chunk.toString();
        done();
      },
    }) as unknown as NodeJS.WriteStream;
  const input = options.stdin instanceof Readable ? options.stdin : Readable.from([options.stdin ?? ""]);
  const stdin = input.pipe(new PassThrough());
  const [stdout, stderr] = [sink("out"), sink("err")];
  const io: CliIo = {
    out: (text) => void (kept.out += typeof text === "string" ? text : Buffer.from(text).toString()),
    err: (text) => void (kept.err += typeof text === "string" ? text : Buffer.from(text).toString()),
    stdinIsTerminal: () => false,
    stdoutIsTerminal: () => false,
    stderrIsTerminal: () => false,
    stdin: () => stdin as unknown as NodeJS.ReadStream,
    stdout: () => stdout,
    stderr: () => stderr,
  };
  const code = await runCli(argv, {
    io,
    version: "1.2.3",
    registry: async () => openRemote,
    remote: () => import("../../src/image/remote/remote.ts"),
    env: { HOME: "/nonexistent", ...(options.host ? { BERTH_HOST: options.host } : {}), ...options.env },
    ...(options.startDaemon ? { startDaemon: options.startDaemon } : {}),
  });
  return { code, ...kept };
}
