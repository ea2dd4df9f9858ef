import { writeSync } from "node:fs";
import { errnoOf } from "../spec/errors.ts";

/** Where a command writes and reads. Tests give their own; `processIo` is the real one. */
export interface CliIo {
  /** Writes to standard output, all of it before it returns. */
  out(text: string | Uint8Array): void;
  /** The same for standard error. */
  err(text: string | Uint8Array): void;
  stdinIsTerminal(): boolean;
  stdoutIsTerminal(): boolean;
  stderrIsTerminal(): boolean;
  /** Standard input from where it stands; the first use starts reading. */
  stdin(): NodeJS.ReadStream;
  /** Standard output and error as streams, for what needs back-pressure and the terminal's size. */
  stdout(): NodeJS.WriteStream;
  stderr(): NodeJS.WriteStream;
}

const WAIT_MS = 2;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** The process's own streams. Plain text is written synchronously: nothing is lost when the process ends right after. */
export function processIo(): CliIo {
  return {
    out: (text) => writeAll(1, text),
    err: (text) => writeAll(2, text),
    stdinIsTerminal: () => process.stdin.isTTY === true,
    stdoutIsTerminal: () => process.stdout.isTTY === true,
    stderrIsTerminal: () => process.stderr.isTTY === true,
    stdin: () => process.stdin,
    stdout: () => process.stdout,
    stderr: () => process.stderr,
  };
}

/** Raised where the reader of our output has gone: the command ends quietly, as by SIGPIPE. */
export class OutputClosed extends Error {}

function writeAll(fd: number, text: string | Uint8Array): void {
  let rest = typeof text === "string" ? Buffer.from(text) : text;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if (errnoOf(error) === "EPIPE") throw new OutputClosed();
      if (errnoOf(error) !== "EAGAIN") throw error;
      // The other end of the pipe made it non-blocking and is slower than we are.
      Atomics.wait(pause, 0, 0, WAIT_MS);
    }
  }
}
