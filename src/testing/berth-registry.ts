import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { run } from "../host/spawn.ts";
import type { TestDaemon } from "./daemon.ts";

const BERTH = join(import.meta.dir, "../../dist/berth");

/** A registry of Berth's that runs. */
export interface BerthRegistry extends AsyncDisposable {
  pid: number;
  /** What it says, as it says it. */
  log: string[];
}

/** `berth registry serve` in a test daemon's network, or in this one, at `address` (`host:port`), everything below `folder`. Users make it ask for a password. */
export async function berthRegistry(
  daemon: Pick<TestDaemon, "inNet"> | undefined,
  address: string,
  options: { folder: string; users?: Record<string, string>; flags?: readonly string[] },
): Promise<BerthRegistry> {
  const { folder, users, flags = [] } = options;
  mkdirSync(folder, { recursive: true });
  const passwords = users ? ["--htpasswd", await htpasswd(folder, users)] : [];
  const argv = [BERTH, "registry", "serve", "--addr", address, "--root", join(folder, "root"), ...passwords, ...flags];
  const [file = "", ...args] = daemon ? daemon.inNet(...argv) : argv;
  const child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"] });
  const log: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const lines = createInterface({ input: child.stderr });
    lines.on("line", (line) => {
      log.push(line);
      if (line.includes("registry at ")) resolve();
    });
    lines.once("close", () => reject(new Error(`the registry ended: ${log.join("\n")}`)));
  });
  return {
    pid: child.pid ?? 0,
    log,
    async [Symbol.asyncDispose]() {
      const gone = child.exitCode === null ? once(child, "exit") : undefined;
      child.kill();
      await gone;
    },
  };
}

async function htpasswd(folder: string, users: Record<string, string>): Promise<string> {
  const file = join(folder, "htpasswd");
  const lines = Object.entries(users).map(async ([name, password]) =>
    (await run(["htpasswd", "-Bbn", name, password])).stdout.trim(),
  );
  writeFileSync(file, `${(await Promise.all(lines)).join("\n")}\n`);
  return file;
}
