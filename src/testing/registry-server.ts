import { type ChildProcess, spawn } from "node:child_process";
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
  const config = await configuration(address, options);
  const [file = "", ...args] = daemon.inNet(PROGRAM, "serve", config);
  const child = spawn(file, args, { stdio: "ignore" });
  const [host, port] = address.split(":");
  while ((await run(daemon.inNet("bash", "-c", `exec 3<>/dev/tcp/${host}/${port}`))).code !== 0) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
  }
  return { [Symbol.asyncDispose]: () => ended(child) };
}

/** The same in this process's own network, at a free port of 127.0.0.1. */
export async function hostRegistryServer(options: { folder: string; users?: Record<string, string> }) {
  const config = await configuration("127.0.0.1:0", options);
  const child = spawn(PROGRAM, ["serve", config], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  const host = await new Promise<string>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`docker-registry ended with ${code}: ${log}`)));
    child.stderr.on("data", (bytes: Buffer) => {
      log = `${log}${bytes}`.slice(-MOST_LOG);
      const [, address] = /listening on (127\.0\.0\.1:\d+)/.exec(log) ?? [];
      if (address) resolve(address);
    });
  });
  return { host, [Symbol.asyncDispose]: () => ended(child) };
}

const MOST_LOG = 65_536;

async function ended(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill();
  await gone;
}

async function configuration(
  address: string,
  { folder, users }: { folder: string; users?: Record<string, string> },
): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const config = join(folder, "config.yml");
  const storage = `storage: {filesystem: {rootdirectory: ${folder}/blobs}, delete: {enabled: true}}`;
  const auth = users ? await passwords(folder, users) : "";
  writeFileSync(config, `version: 0.1\n${storage}\nhttp: {addr: "${address}"}\n${auth}\n`);
  return config;
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
