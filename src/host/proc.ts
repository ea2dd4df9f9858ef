import { readFileSync } from "node:fs";
import { errnoOf } from "../spec/errors.ts";

/** What a process does with signals: bit n-1 is signal n. From /proc/PID/status (proc_pid_status(5)). */
export interface SignalMasks {
  caught: bigint;
  ignored: bigint;
  /** Held back until the process asks for them (sigwaitinfo(2), signalfd(2)): it hears them, even as pid 1. */
  blocked: bigint;
}

/** Undefined where the process has ended. */
export function signalMasks(pid: number): SignalMasks | undefined {
  const status = readProc(pid, "status");
  if (status === undefined) return undefined;
  const mask = (name: string): bigint =>
    BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)`, "m").exec(status)?.[1] ?? "0"}`);
  return { caught: mask("SigCgt"), ignored: mask("SigIgn"), blocked: mask("SigBlk") };
}

/** Clock ticks since boot at which the process started: with the pid, its identity. Undefined where it has ended. */
export function startTime(pid: number): number | undefined {
  const stat = readProc(pid, "stat");
  if (stat === undefined) return undefined;
  // The command's name, field 2, may hold spaces and parentheses; what follows its last ")" starts with field 3.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const START_TIME_FIELD = 22;
  return Number(fields[START_TIME_FIELD - 3]);
}

/** Sends SIGKILL. False where the process has ended already. */
export function killHard(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return false;
    throw error;
  }
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return undefined; // The process has ended.
  }
}
