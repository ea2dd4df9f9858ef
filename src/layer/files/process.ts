import { spawn } from "node:child_process";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { selfCommand } from "../../host/self.ts";
import { BerthError } from "../../spec/errors.ts";
import type { FilesAnswer, FilesJob, PathStat } from "./types.ts";

interface Worker {
  stdin: Writable;
  out: AsyncIterator<Buffer>;
  /** How it ended: undefined where all went well. */
  ended: Promise<string | undefined>;
  kill(): void;
}

/** What came before a tar, and the tar. Reading it to its end or returning it ends the worker. */
export interface FilesRead {
  stat?: PathStat;
  tar: AsyncGenerator<Uint8Array, void, void>;
}

/** The stat of one entry. Throws `not-found` where there is none. */
export async function statFiles(job: FilesJob & { verb: "stat" }, signal: AbortSignal): Promise<PathStat> {
  const { stat, tar } = await readFiles(job, signal);
  await tar.return();
  if (!stat) throw new BerthError("internal", "the worker gave no stat");
  return stat;
}

/** Begins to read files. Whoever gets the answer has to read its tar or return it; a failure in the middle throws there. */
export async function readFiles(
  job: FilesJob & { verb: "stat" | "read" | "export" },
  signal: AbortSignal,
): Promise<FilesRead> {
  const worker = startWorker(job, signal);
  worker.stdin.end();
  try {
    const { answer, rest } = await firstAnswer(worker.out);
    const tar = tarOf(worker, rest);
    return answer.stat ? { stat: answer.stat, tar } : { tar };
  } catch (error) {
    worker.kill();
    throw error;
  }
}

/** Writes a tar's entries. A source that fails, and a signal, leave what was written until then. */
export async function writeFiles(
  job: FilesJob & { verb: "write" },
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const worker = startWorker(job, signal);
  // The worker's answer counts; it may come before it has read everything.
  const sent = pipeline(Readable.from(tar), worker.stdin).catch((error: unknown) => error);
  try {
    const answered = firstAnswer(worker.out);
    await Promise.race([answered, sent.then((error) => (isBrokenPipe(error) ? answered : throwIf(error, answered)))]);
  } finally {
    worker.kill();
  }
}

function isBrokenPipe(error: unknown): boolean {
  return (
    error instanceof Error && "code" in error && (error.code === "EPIPE" || error.code === "ERR_STREAM_PREMATURE_CLOSE")
  );
}

function throwIf<T>(error: unknown, otherwise: Promise<T>): Promise<T> {
  if (error === undefined) return otherwise;
  otherwise.catch(() => undefined);
  throw error;
}

function startWorker(job: FilesJob, signal: AbortSignal): Worker {
  const [file = "", ...args] = selfCommand("worker", "files");
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  const kill = (): void => void child.kill("SIGKILL");
  const ended = new Promise<string | undefined>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, by) => resolve(code === 0 ? undefined : `by ${by ?? `code ${code}`}`));
  });
  signal.addEventListener("abort", kill, { once: true });
  void ended.then(() => signal.removeEventListener("abort", kill));
  if (signal.aborted) kill();
  // A worker that dies early is judged by its missing answer.
  child.stdin.on("error", () => undefined);
  child.stdin.write(`${JSON.stringify(job)}\n`);
  return { stdin: child.stdin, out: child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>, ended, kill };
}

async function firstAnswer(
  reader: AsyncIterator<Buffer>,
): Promise<{ answer: FilesAnswer & { type: "ready" }; rest: Buffer }> {
  let have = Buffer.alloc(0);
  for (let part = await reader.next(); !part.done; part = await reader.next()) {
    have = Buffer.concat([have, part.value]);
    const end = have.indexOf(10);
    if (end < 0) continue;
    const answer = JSON.parse(have.subarray(0, end).toString()) as FilesAnswer;
    if (answer.type === "error") throw new BerthError(answer.kind, answer.message);
    return { answer, rest: have.subarray(end + 1) };
  }
  throw new BerthError("internal", "the worker on the container's files ended early");
}

async function* tarOf(worker: Worker, rest: Buffer): AsyncGenerator<Buffer, void, void> {
  try {
    if (rest.length > 0) yield rest;
    for (let part = await worker.out.next(); !part.done; part = await worker.out.next()) yield part.value;
    const failure = await worker.ended;
    if (failure) throw new BerthError("internal", `reading the container's files: the worker ended ${failure}`);
  } finally {
    worker.kill();
  }
}
