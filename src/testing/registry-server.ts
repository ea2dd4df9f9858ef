import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../host/spawn.ts";
import type { TestDaemon } from "./daemon.ts";

const PROGRAM = join(import.meta.dir, "../../.build/registry/usr/bin/docker-registry");

/** Debian's docker-registry in a test daemon's network, at `address` (`host:port`), its blobs below `folder`. Users make it ask for a password. */
export async function registryServer(
  daemon: TestDaemon,
  address: string,
  options: { folder: string; users?: Record<string, string> },
): Promise<AsyncDisposable> {
  const { folder, users } = options;
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "config.yml");
  const storage = `storage: {filesystem: {rootdirectory: ${folder}/blobs}, delete: {enabled: true}}`;
  const auth = users ? await passwords(folder, users) : "";
  writeFileSync(config, `version: 0.1\n${storage}\nhttp: {addr: "${address}"}\n${auth}\n`);
  const [file = "", ...args] = daemon.inNet(PROGRAM, "serve", config);
  const child = spawn(file, args, { stdio: "ignore" });
  const [host, port] = address.split(":");
  while ((await run(daemon.inNet("bash", "-c", `exec 3<>/dev/tcp/${host}/${port}`))).code !== 0) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
  }
  return {
    async [Symbol.asyncDispose]() {
      const gone = once(child, "exit");
      child.kill();
      await gone;
    },
  };
}

async function passwords(folder: string, users: Record<string, string>): Promise<string> {
  const file = join(folder, "htpasswd");
  const lines = await Promise.all(
    Object.entries(users).map(async ([name, password]) =>
      (await run(["htpasswd", "-Bbn", name, password])).stdout.trim(),
    ),
  );
  writeFileSync(file, `${lines.join("\n")}\n`);
  return `auth: {htpasswd: {realm: test, path: ${file}}}`;
}
