import { closeSync, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { BerthError, errnoOf } from "../spec/errors.ts";
import { readExit } from "./monitor-files.ts";
import type { AttachStreams, ExitStatus, MonitorHandle } from "./monitor-types.ts";
import { runtimeMessage, startFailure, startFailureCode } from "./runtime-errors.ts";

/** sun_path of unix(7), without its final NUL. */
const MAX_SOCKET_PATH = 107;
const LOST_CODE = 255;

/** Connects to `<dir>/sock`; rejects with the system's error (ENOENT, ECONNREFUSED: no helper is there). Paths of any length. */
function open(dir: string): Promise<Socket> {
  const path = join(dir, "sock");
  const short = Buffer.byteLength(path) <= MAX_SOCKET_PATH;
  const fd = short ? undefined : openSync(dir, "r");
  return new Promise((resolve, reject) => {
    const socket = connect({ path: fd === undefined ? path : `/proc/self/fd/${fd}/sock`, allowHalfOpen: true });
    const settle = (then: () => void): void => {
      socket.off("error", failed);
      if (fd !== undefined) closeSync(fd);
      then();
    };
    const failed = (error: Error): void => settle(() => reject(error));
    socket.once("error", failed);
    socket.once("connect", () => settle(() => resolve(socket)));
  });
}

/** True where the error means that no helper listens there. */
function isAbsent(error: unknown): boolean {
  return ["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE"].includes(errnoOf(error) ?? "");
}

/** Reads up to and including the first newline, leaving what follows in the stream, which does not flow yet. Undefined where the stream ends before. */
function readLine(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = "";
    const done = (line: string | undefined): void => {
      socket.off("readable", more);
      socket.off("close", lost);
      socket.off("end", lost);
      resolve(line);
    };
    const lost = (): void => done(undefined);
    const more = (): void => {
      for (let chunk: Buffer | null; (chunk = socket.read()) !== null; ) {
        const at = chunk.indexOf("\n");
        text += chunk.toString("latin1", 0, at < 0 ? chunk.length : at);
        if (at < 0) continue;
        if (at + 1 < chunk.length) socket.unshift(chunk.subarray(at + 1));
        done(text);
        return;
      }
    };
    socket.on("readable", more);
    socket.on("close", lost);
    socket.on("end", lost);
  });
}

/** The handle of the helper that listens in `dir`, or undefined where none does. `onRunning` is called when its process runs, before `start` resolves. */
export async function connectHelper(dir: string, onRunning?: () => void): Promise<MonitorHandle | undefined> {
  let socket: Socket;
  try {
    socket = await open(dir);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
  const connection = new Connection(dir, socket, onRunning);
  return (await connection.ready) ? connection : undefined;
}

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

/** One control connection. Replies to a command come in the order of the commands of that name. */
class Connection implements MonitorHandle {
  monitorPid = 0;
  pid = 0;
  startedAt = 0;
  oom?: () => void;
  readonly exited: Promise<ExitStatus>;
  readonly gone: Promise<void>;
  /** False where the connection ended before it told its state. */
  readonly ready: Promise<boolean>;
  private ended = false;
  private failure: string | undefined;
  private started: Waiting<{ pid: number; startedAt: number }> | undefined;
  private readonly replies = new Map<string, ((reply: string) => void)[]>();
  private readonly settle: {
    ready(ok: boolean): void;
    exited(status: ExitStatus): void;
    gone(): void;
  };

  constructor(
    private readonly dir: string,
    private readonly socket: Socket,
    private readonly onRunning: (() => void) | undefined,
  ) {
    const ready = Promise.withResolvers<boolean>();
    const exited = Promise.withResolvers<ExitStatus>();
    const gone = Promise.withResolvers<void>();
    this.ready = ready.promise;
    this.exited = exited.promise;
    this.gone = gone.promise;
    this.settle = { ready: ready.resolve, exited: exited.resolve, gone: gone.resolve };
    let rest = "";
    socket.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.line(line);
    });
    // A failed connection is told by "close", which follows.
    socket.on("error", () => undefined);
    socket.on("end", () => socket.end());
    socket.on("close", () => this.closed());
    socket.write("control\n");
  }

  start(): Promise<{ pid: number; startedAt: number }> {
    if (this.ended || this.started) return Promise.reject(startedAlready(this.dir));
    return new Promise((resolve, reject) => {
      this.started = { resolve, reject };
      this.socket.write("start\n");
    });
  }

  async attach(streams: AttachStreams): Promise<Duplex> {
    const bit = (on: boolean): string => (on ? "1" : "0");
    let socket: Socket;
    try {
      socket = await open(this.dir);
    } catch (error) {
      throw isAbsent(error) ? notRunning(this.dir) : error;
    }
    // Whoever reads the stream is told by "close", which follows; without a listener an error would end the program.
    socket.on("error", () => undefined);
    socket.write(`attach stdin=${bit(streams.stdin)} stdout=${bit(streams.stdout)} stderr=${bit(streams.stderr)}\n`);
    const answer = await readLine(socket);
    if (answer === "ok") return socket;
    socket.destroy();
    throw notRunning(this.dir);
  }

  async signal(signal: number): Promise<boolean> {
    return (await this.ask("signal", `${signal}`)) === "ok";
  }

  async resize(rows: number, cols: number): Promise<void> {
    const reply = await this.ask("resize", `${rows} ${cols}`);
    if (reply === "ok") return;
    throw new BerthError("conflict", `resize: ${reply === "" ? "the process has ended" : reply.replace("error ", "")}`);
  }

  async discard(): Promise<boolean> {
    const reply = await this.ask("quit", "");
    if (reply !== "ok" && reply !== "") return false;
    await this.gone;
    return true;
  }

  disconnect(): void {
    this.ended = true;
    this.socket.removeAllListeners("close");
    this.socket.destroy();
    this.answerAll();
  }

  /** The reply without its first word; "" where the connection has ended. */
  private ask(command: string, args: string): Promise<string> {
    if (this.ended) return Promise.resolve("");
    return new Promise((resolve) => {
      const queue = this.replies.get(command) ?? [];
      this.replies.set(command, queue);
      queue.push(resolve);
      this.socket.write(args === "" ? `${command}\n` : `${command} ${args}\n`);
    });
  }

  private line(text: string): void {
    const [word = "", ...rest] = text.split(" ");
    const numbers = rest.map(Number);
    if (word === "monitor") this.monitorPid = numbers[0] ?? 0;
    else if (word === "running") this.running(numbers[0] ?? 0, numbers[1] ?? 0);
    else if (word === "exited") this.settle.exited(parseExit(rest));
    else if (word === "oom") this.oom?.();
    else if (word === "start") this.failed(rest.slice(1).join(" "));
    else this.replies.get(word)?.shift()?.(rest.join(" "));
    if (["created", "starting", "running", "exited"].includes(word)) this.settle.ready(true);
  }

  private running(pid: number, startedAt: number): void {
    this.pid = pid;
    this.startedAt = startedAt;
    this.onRunning?.();
    this.started?.resolve({ pid, startedAt });
  }

  /** A refusal for want of order is told at once; a failed start once the helper has cleaned up. */
  private failed(raw: string): void {
    if (raw === "started already") this.started?.reject(startedAlready(this.dir));
    else this.failure = runtimeMessage(raw);
  }

  private closed(): void {
    this.ended = true;
    this.answerAll();
    const lost = "the monitor ended without telling how the process ended";
    this.settle.ready(false);
    this.settle.exited(
      readExit(this.dir) ?? {
        code: LOST_CODE,
        oomKilled: false,
        startedAt: this.startedAt,
        finishedAt: Date.now(),
        error: lost,
      },
    );
    this.started?.reject(this.failure ? startFailure(this.failure) : new BerthError("internal", `start: ${lost}`));
    this.settle.gone();
  }

  private answerAll(): void {
    for (const queue of this.replies.values()) for (const reply of queue.splice(0)) reply("");
  }
}

/** The fields of an `exited` line: CODE SIGNAL OOM STARTED FINISHED [ERROR]. */
function parseExit(fields: string[]): ExitStatus {
  const [code = LOST_CODE, signal = 0, oom = 0, startedAt = 0, finishedAt = 0] = fields.slice(0, 5).map(Number);
  const raw = fields.slice(5).join(" ");
  const error = raw === "" ? undefined : runtimeMessage(raw);
  return {
    code: error === undefined ? code : startFailureCode(error),
    ...(signal ? { signal } : {}),
    oomKilled: oom === 1,
    startedAt,
    finishedAt,
    ...(error === undefined ? {} : { error }),
  };
}

function startedAlready(dir: string): BerthError {
  return new BerthError("conflict", `${dir}: started already`);
}

function notRunning(dir: string): BerthError {
  return new BerthError("conflict", `${dir}: the process has ended`);
}
