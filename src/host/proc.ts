import { readdirSync, readFileSync } from "node:fs";
import { errnoOf } from "../spec/errors.ts";

/** What a process does with signals: bit n-1 is signal n. From /proc/PID/status (proc_pid_status(5)). */
export interface SignalMasks {
  caught: bigint;
  ignored: bigint;
  /** Held back until the process asks for them (signalfd(2)): it hears them, even as pid 1. Those that a thread waits for in sigwaitinfo(2) are missing here. */
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

/** Numbers of rt_sigtimedwait(2), which is sigwaitinfo(3) too: of this machine's own programs and of its 32-bit ones. */
const SIGNAL_WAITS = new Set(process.arch === "arm64" ? ["137", "177", "421"] : ["128", "177", "421"]);

/**
 * True where a thread of the process waits for signals, or where that cannot be told. While it does, the kernel takes what it waits for out of the blocked
 * ones: an init that sleeps like this (docker-init, tini) looks as if it heard nothing.
 */
export function waitsForSignals(pid: number): boolean {
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return false; // The process has ended.
  }
  return threads.some((thread) => {
    try {
      const [call = ""] = readFileSync(`/proc/${pid}/task/${thread}/syscall`, "latin1").split(/\s/);
      return SIGNAL_WAITS.has(call);
    } catch (error) {
      return errnoOf(error) !== "ESRCH";
    }
  });
}

/** True where the process has ended or is about to: as pid 1 of a namespace it takes all others along. */
export function isExiting(pid: number): boolean {
  const PF_EXITING = 0x4;
  const FLAGS_FIELD = 9;
  const fields = statFields(pid);
  return fields === undefined || (Number(fields[FLAGS_FIELD - 3]) & PF_EXITING) !== 0;
}

/** Clock ticks since boot at which the process started: with the pid, its identity. Undefined where it has ended. */
export function startTime(pid: number): number | undefined {
  const START_TIME_FIELD = 22;
  const fields = statFields(pid);
  return fields && Number(fields[START_TIME_FIELD - 3]);
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

/** /proc/PID/stat from field 3 on: the command's name, field 2, may hold spaces and parentheses. */
function statFields(pid: number): string[] | undefined {
  const stat = readProc(pid, "stat");
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return undefined; // The process has ended.
  }
}
