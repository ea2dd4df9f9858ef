import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../../src/host/spawn.ts";
import type { TestDaemon } from "../../../src/testing/daemon.ts";

const PROGRAM = join(import.meta.dir, "../../../.build/registry/usr/bin/docker-registry");
/** An index that knows one image, whatever it is asked. */
const INDEX = `require("node:http").createServer((q, r) => r.end(JSON.stringify({ results: [{ name: "found", description: "it", star_count: 1 }] }))).listen(5002, "127.0.0.1")`;

/** Debian's registry on 127.0.0.1:5000, one with a password (me, secret) on 5001, and an index of version 1 on 5002, all in the daemon's network. */
export async function registryServers(daemon: TestDaemon): Promise<AsyncDisposable> {
  const users = join(daemon.root, "htpasswd");
  writeFileSync(users, (await run(["htpasswd", "-Bbn", "me", "secret"])).stdout);
  const servers = [
    await serve(daemon, registryArgv(daemon, 5000, ""), 5000),
    await serve(daemon, registryArgv(daemon, 5001, `auth: {htpasswd: {realm: test, path: ${users}}}`), 5001),
    await serve(daemon, [process.execPath, "-e", INDEX], 5002),
  ];
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((end) => end()));
    },
  };
}

function registryArgv(daemon: TestDaemon, port: number, auth: string): string[] {
  const config = join(daemon.root, `registry-${port}.yml`);
  const storage = `storage: {filesystem: {rootdirectory: ${daemon.root}/registry-${port}}}`;
  writeFileSync(config, `version: 0.1\n${storage}\nhttp: {addr: "127.0.0.1:${port}"}\n${auth}\n`);
  return [PROGRAM, "serve", config];
}

/** Starts a server and answers when its port is open; returns its end. */
async function serve(daemon: TestDaemon, argv: string[], port: number): Promise<() => Promise<void>> {
  const [file = "", ...args] = daemon.inNet(...argv);
  const child = spawn(file, args, { stdio: "ignore" });
  while ((await run(daemon.inNet("bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/${port}`))).code !== 0) {
    if (child.exitCode !== null) throw new Error(`${argv.join(" ")} ended with ${child.exitCode}`);
  }
  return async () => {
    const gone = once(child, "exit");
    child.kill();
    await gone;
  };
}
