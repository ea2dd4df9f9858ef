import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { selfCommand } from "../host/self.ts";
import { BerthError } from "../spec/errors.ts";
import type { Unpacked } from "./digested.ts";
import type { LayerProgress } from "./types.ts";
import type { UnpackJob, UnpackMessage } from "./worker.ts";

/** How long a worker without a job is kept for the next one, in milliseconds: a start costs more than a small layer. */
const KEPT_MS = 250;

/** Unpacks or copies layers in processes of their own, so that neither the work nor its memory is the daemon's. A process takes one job after the other. */
export class UnpackProcesses {
  readonly #idle: UnpackProcess[] = [];

  /**
   * Resolves when the tree is whole, but not yet synced to the disk. Rejects with the worker's own error, or `internal` where the worker was killed; what it left in
   * the target is the caller's to remove.
   */
  async run(job: UnpackJob, progress?: LayerProgress): Promise<Unpacked> {
    const worker = this.#take();
    const result = await worker.run(job, progress);
    this.#keep(worker);
    return result;
  }

  #take(): UnpackProcess {
    for (let worker = this.#idle.pop(); worker; worker = this.#idle.pop()) {
      if (!worker.ended) return worker;
    }
    return new UnpackProcess();
  }

  #keep(worker: UnpackProcess): void {
    this.#idle.push(worker);
    const since = worker.jobs;
    const late = (): void => {
      if (worker.jobs !== since) return;
      const at = this.#idle.indexOf(worker);
      if (at >= 0) this.#idle.splice(at, 1);
      worker.end();
    };
    setTimeout(late, KEPT_MS).unref();
  }
}

interface Running {
  job: UnpackJob;
  progress: LayerProgress | undefined;
  resolve(result: Unpacked): void;
  reject(error: unknown): void;
}

/** One worker. After a job that failed it takes no other. */
class UnpackProcess {
  /** How many jobs it has been given. */
  jobs = 0;
  ended = false;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  #running: Running | undefined;
  #problem: BerthError | undefined;

  constructor() {
    const [file = "", ...args] = selfCommand("worker", "unpack");
    this.#child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: this.#child.stdout });
    lines.on("line", (line) => this.#hear(JSON.parse(line) as UnpackMessage));
    const read = new Promise((resolve) => lines.once("close", resolve));
    // A worker that dies early is judged by its missing answer, not by EPIPE.
    this.#child.stdin.on("error", () => undefined);
    this.#child.on("error", (error) => this.#fail(error));
    this.#child.on("close", async (code, signal) => {
      this.ended = true;
      await read;
      this.#fail(this.#problem ?? endedEarly(this.#running?.job, signal ?? `code ${code}`));
    });
  }

  run(job: UnpackJob, progress: LayerProgress | undefined): Promise<Unpacked> {
    this.jobs += 1;
    return new Promise((resolve, reject) => {
      this.#running = { job, progress, resolve, reject };
      this.#child.stdin.write(`${JSON.stringify(job)}\n`);
    });
  }

  end(): void {
    this.ended = true;
    this.#child.stdin.end();
  }

  #hear(message: UnpackMessage): void {
    if (message.type === "progress") this.#running?.progress?.(message.done, message.total);
    else if (message.type === "error") this.#problem = new BerthError(message.kind, message.message);
    else {
      const done = this.#running;
      this.#running = undefined;
      done?.resolve(message.result);
    }
  }

  #fail(error: unknown): void {
    this.ended = true;
    const failed = this.#running;
    this.#running = undefined;
    failed?.reject(error);
  }
}

function endedEarly(job: UnpackJob | undefined, how: string): BerthError {
  return new BerthError("internal", `unpacking ${job ? nameOf(job) : ""}: the worker ended early, by ${how}`);
}

function nameOf({ source }: UnpackJob): string {
  return "tar" in source ? source.tar : source.tree;
}
