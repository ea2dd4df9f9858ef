import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { join } from "node:path";
import { BerthError } from "../spec/errors.ts";

/** An OCI runtime, in the shape of daemon.json's `runtimes`. */
export interface RuntimeEntry {
  path: string;
  runtimeArgs?: string[];
}

/** The registered runtimes. `warnings` are lines for `info`. */
export interface RuntimeTable {
  default: string;
  all: Record<string, RuntimeEntry>;
  warnings: string[];
}

const WELL_KNOWN = ["crun", "runc"];
const FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/**
 * Finds crun and runc on this host and adds the configured ones. Without a wish, crun is the default where it runs at all, else runc,
 * with a warning that says so. A wish that is not there throws `invalid-argument`.
 */
export function findRuntimes(configured: Record<string, RuntimeEntry> = {}, wish?: string): RuntimeTable {
  const all: Record<string, RuntimeEntry> = {};
  const warnings: string[] = [];
  for (const name of WELL_KNOWN) {
    const path = which(name);
    if (path && works(path)) all[name] = { path };
    else if (path) warnings.push(`WARNING: ${path} cannot be started; it is not used`);
  }
  for (const [name, entry] of Object.entries(configured)) {
    const path = entry.path.includes("/") ? entry.path : which(entry.path);
    if (!path || !existsSync(path)) warnings.push(`WARNING: runtime ${name}: ${entry.path} does not exist`);
    else all[name] = { ...entry, path };
  }
  const fallback = WELL_KNOWN.find((name) => all[name]) ?? Object.keys(all)[0] ?? "crun";
  if (fallback === "runc" && !wish)
    warnings.push("WARNING: crun is missing or broken; runc is used instead, which starts containers more slowly");
  if (Object.keys(all).length === 0) warnings.push("WARNING: no OCI runtime found: install crun or runc");
  if (wish && !all[wish]) {
    throw new BerthError("invalid-argument", `unknown default runtime: ${wish}`, {
      hint: `known are ${Object.keys(all).join(", ") || "none: install crun or runc"}`,
    });
  }
  return { default: wish ?? fallback, all, warnings };
}

function which(name: string): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(":"), ...FOLDERS].filter(Boolean);
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // Missing, or not ours to run.
  }
}

function works(path: string): boolean {
  return spawnSync(path, ["--version"], { stdio: "ignore" }).status === 0;
}
