import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { selfCommand } from "../host/self.ts";
import { BerthError } from "../spec/errors.ts";
import type { Unpacked } from "./digested.ts";
import type { LayerProgress } from "./types.ts";
import type { UnpackJob, UnpackMessage } from "./worker.ts";

/**
 * Unpacks or copies one layer in a process of its own, so that neither its work nor its memory is the daemon's. Resolves when the tree is whole, but not yet synced to the disk. Rejects
 * with the worker's own error, or `internal` where the worker was killed; what it left in the target is the caller's to remove.
 */
export function unpackInProcess(job: UnpackJob, progress?: LayerProgress): Promise<Unpacked> {
  const [file = "", ...args] = selfCommand("worker", "unpack");
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  let answer: UnpackMessage | undefined;
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    const message = JSON.parse(line) as UnpackMessage;
    if (message.type === "progress") progress?.(message.done, message.total);
    else answer = message;
  });
  const read = new Promise((resolve) => lines.once("close", resolve));
  // A worker that dies early is judged by its missing answer, not by EPIPE.
  child.stdin.on("error", () => undefined);
  child.stdin.write(`${JSON.stringify(job)}\n`);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", async (code, signal) => {
      await read;
      if (answer?.type === "done") resolve(answer.result);
      else if (answer?.type === "error") reject(new BerthError(answer.kind, answer.message));
      else
        reject(
          new BerthError(
            "internal",
            `unpacking ${nameOf(job)}: the worker ended early, by ${signal ?? `code ${code}`}`,
          ),
        );
    });
  });
}

function nameOf({ source }: UnpackJob): string {
  return "tar" in source ? source.tar : source.tree;
}
