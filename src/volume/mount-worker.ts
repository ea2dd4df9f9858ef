import { readFileSync } from "node:fs";
import { endWithParent, MS, mount } from "../host/sys.ts";
import { goErrno } from "../spec/go-errno.ts";
import type { ParsedOptions } from "./mount-options.ts";

/** What a mount worker is told: one JSON text on stdin. Not by arguments, which can be read by all: options may hold passwords. */
export interface MountJob extends ParsedOptions {
  device: string;
  target: string;
  type: string;
  /** The daemon's process. */
  parent: number;
}

/** `berth worker mount`: one mount(2), in a process that can be killed where it hangs, and that ends with its daemon. Says on stdout why it failed, or nothing. */
export async function runMountWorker(): Promise<number> {
  const { device, target, type, parent, flags, propagation, data }: MountJob = JSON.parse(readFileSync(0, "utf8"));
  endWithParent(parent);
  try {
    mount({ source: device, target, type, flags, data });
    if (propagation !== 0) mount({ source: "", target, flags: propagation });
    // A bind takes its other flags in a second step only.
    if ((flags & MS.BIND) !== 0 && (flags & MS.RDONLY) !== 0) mount({ source: "", target, flags: flags | MS.REMOUNT });
    return 0;
  } catch (error) {
    process.stdout.write(goErrno(error));
    return 1;
  }
}
