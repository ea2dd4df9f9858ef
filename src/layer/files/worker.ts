import { accessSync, constants, readSync, writeSync } from "node:fs";
import { AT, fstatat, S_IF } from "../../host/sys.ts";
import { BerthError, errnoOf, messageOf } from "../../spec/errors.ts";
import { dirName, joinPaths } from "../../spec/paths.ts";
import { decompress } from "../compression.ts";
import { packEntry, packTree } from "../pack.ts";
import { unpackTar } from "../unpack.ts";
import { enterRoot } from "./enter.ts";
import { followLinks, openEntry, openTarget, pathStat } from "./stat.ts";
import type { FilesAnswer, FilesJob } from "./types.ts";

const CHUNK = 256 * 1024;
const WAIT_MS = 2;
/** Go's io/fs.ModeDir: its highest bit. */
const GO_DIR = 2 ** 31;
const MAX_JOB = 1 << 20;
const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * `berth worker files`: one job on a container's files, in a process of its own: what it mounts, what hangs and what it needs of memory is its own. A
 * line of JSON on stdin says what to do, a tar to write follows there. A line on stdout answers, a tar that was read follows. Reading and
 * writing wait for the other side, so that nothing piles up here. Returns the exit code; a job that was killed leaves what it had written, entries whole but the last.
 */
export async function runFilesWorker(): Promise<number> {
  const input = readInput();
  try {
    const job = JSON.parse(firstLine(input)) as FilesJob;
    await run(job, enterRoot(job.root), input);
    return 0;
  } catch (e) {
    // After the answer only the exit code can tell; with EPIPE nobody is left to hear it.
    if (answered || errnoOf(e) === "EPIPE") return 1;
    const kind = e instanceof BerthError ? e.kind : "internal";
    answer({ type: "error", kind, message: messageOf(e) });
    return 1;
  }
}

async function run(job: FilesJob, root: number, input: Input): Promise<void> {
  switch (job.verb) {
    case "stat":
      return answer({ type: "ready", stat: pathStat(root, job.path) });
    case "read":
      return send(read(job, root));
    case "export":
      answer({ type: "ready" });
      return send(packTree(`/proc/self/fd/${root}`, { whiteouts: "plain" }));
    case "write":
      return write(job, root, input);
  }
}

/** Answers the entry's stat, then gives the entry with all below it. */
async function* read(job: FilesJob & { verb: "read" }, root: number): AsyncGenerator<Buffer, void, void> {
  const stat = pathStat(root, job.path);
  const isDir = stat.mode >= GO_DIR;
  using parent = openTarget(root, isDir ? job.path : dirName(job.path));
  const [name, as] = isDir ? [".", stat.name] : [stat.name, stat.name];
  const at = isDir ? followLinks(root, job.path) : "/";
  const rootDev = fstatat(root, "", AT.EMPTY_PATH).dev;
  const mounts = job.mounts.map((path) => followLinks(root, path));
  const enters = (dev: number, path: string): boolean =>
    dev === rootDev || mounts.some((mount) => isBelow(joinPaths(at, path.slice(as.length)), mount));
  const hidden = secretsOf(job.secrets, root).filter((dev) => dev !== rootDev);
  using entry = openEntry(root, job.path);
  if (hidden.includes(entry.stat.dev)) throw new BerthError("forbidden", `${job.path} is a secret: it is not copied`);
  answer({ type: "ready", stat });
  yield* packEntry(
    { dir: parent.fd, name, as },
    { whiteouts: "plain", enters, leavesOut: (dev) => hidden.includes(dev) },
  );
}

/** The file systems that hold secrets. */
function secretsOf(paths: readonly string[], root: number): number[] {
  return paths.flatMap((path) => {
    try {
      using entry = openTarget(root, path);
      return [entry.stat.dev];
    } catch (e) {
      if (e instanceof BerthError) return [];
      throw e;
    }
  });
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path === `${folder}/` || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

async function write(job: FilesJob & { verb: "write" }, root: number, input: Input): Promise<void> {
  using target = openTarget(root, job.path);
  if ((target.stat.mode & S_IF.MT) !== S_IF.DIR)
    throw new BerthError("invalid-argument", "extraction point is not a directory");
  const path = followLinks(root, job.path);
  refuseReadOnly(
    target.fd,
    job.volumes.some((volume) => isBelow(path, followLinks(root, volume))),
  );
  const { keepDirs, owner } = job;
  // Names and links of the archive stay inside the folder that it is unpacked into.
  await unpackTar(decompress(input.rest()), `/proc/self/fd/${target.fd}`, {
    whiteouts: "plain",
    keepDirs,
    called: { folder: path, inNames: false },
    ...(owner ? { owner } : {}),
  });
  answer({ type: "ready" });
}

function refuseReadOnly(fd: number, isVolume: boolean): void {
  try {
    accessSync(`/proc/self/fd/${fd}`, constants.W_OK);
  } catch (e) {
    if (errnoOf(e) !== "EROFS") throw e;
    throw new BerthError("forbidden", `${isVolume ? "mounted volume" : "container rootfs"} is marked read-only`);
  }
}

let answered = false;

function answer(message: FilesAnswer): void {
  answered = true;
  writeAll(Buffer.from(`${JSON.stringify(message)}\n`));
}

async function send(tar: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of tar) writeAll(chunk);
}

function writeAll(bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (e) {
      if (errnoOf(e) !== "EAGAIN") throw e;
      Atomics.wait(pause, 0, 0, WAIT_MS);
    }
  }
}

/** Standard input: its first line, then the rest. */
interface Input {
  chunk(): Buffer | undefined;
  pushBack(bytes: Buffer): void;
  rest(): AsyncGenerator<Uint8Array, void, void>;
}

function readInput(): Input {
  let waiting: Buffer | undefined;
  const chunk = (): Buffer | undefined => {
    const first = waiting ?? readChunk();
    waiting = undefined;
    return first;
  };
  return {
    chunk,
    pushBack: (bytes) => {
      waiting = bytes.length > 0 ? bytes : undefined;
    },
    rest: async function* () {
      for (let bytes = chunk(); bytes; bytes = chunk()) yield bytes;
    },
  };
}

/** Waits for bytes; undefined at the end. */
function readChunk(): Buffer | undefined {
  const buffer = Buffer.allocUnsafe(CHUNK);
  for (;;) {
    try {
      const n = readSync(0, buffer, 0, CHUNK, null);
      return n === 0 ? undefined : buffer.subarray(0, n);
    } catch (e) {
      if (errnoOf(e) === "EOF") return undefined;
      if (errnoOf(e) !== "EAGAIN") throw e;
      Atomics.wait(pause, 0, 0, WAIT_MS);
    }
  }
}

function firstLine(input: Input): string {
  let have = Buffer.alloc(0);
  for (let bytes = input.chunk(); bytes && have.length < MAX_JOB; bytes = input.chunk()) {
    have = Buffer.concat([have, bytes]);
    const end = have.indexOf(10);
    if (end < 0) continue;
    input.pushBack(have.subarray(end + 1));
    return have.subarray(0, end).toString();
  }
  throw new BerthError("internal", "no job was given");
}
