import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type RunOutcome, run } from "../host/spawn.ts";
import { DOCKER, type TestDaemon } from "./daemon.ts";

const BUILD = join(import.meta.dir, "../../.build");
const LOG_BYTES = 20_000;

/** Debian's dockerd, for what needs no containers: images, registries. */
export interface DockerDaemon extends AsyncDisposable {
  /** The docker command line against it, in its network. */
  docker(...args: string[]): Promise<RunOutcome>;
  /** The same, which has to succeed: its standard output. */
  ok(...args: string[]): Promise<string>;
}

/** Starts one in a test daemon's network, with mounts of its own that end with it, and everything else below `folder`, which goes with it too. */
export async function dockerDaemon(daemon: TestDaemon, folder: string): Promise<DockerDaemon> {
  mkdirSync(folder, { recursive: true });
  const socket = `unix://${join(folder, "docker.sock")}`;
  const path = [join(BUILD, "dockerd/usr/sbin"), join(BUILD, "dockerd/usr/bin"), join(BUILD, "containerd/usr/bin")];
  const env = { PATH: [...path, process.env["PATH"] ?? ""].join(":"), HOME: folder, DOCKER_CONFIG: folder };
  const [file = "", ...args] = daemon.inNet(
    ...["unshare", "--mount", "--propagation", "private", "dockerd", "-H", socket, "--storage-driver", "vfs"],
    ...["--data-root", join(folder, "data"), "--exec-root", join(folder, "exec"), "--pidfile", join(folder, "pid")],
    ...["--iptables=false", "--ip6tables=false", "--bridge=none"],
  );
  const child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"], env });
  let log = "";
  const listening = new Promise<void>((resolve, reject) => {
    child.stderr.on("data", (bytes: Buffer) => {
      log = `${log}${bytes}`.slice(-LOG_BYTES);
      if (log.includes("API listen on")) resolve();
    });
    child.once("exit", (code) => reject(new Error(`dockerd ended with ${code}: ${log}`)));
  });
  await listening;
  const docker = (...rest: string[]): Promise<RunOutcome> => run(daemon.inNet(DOCKER, "-H", socket, ...rest), { env });
  return {
    docker,
    async ok(...rest) {
      const done = await docker(...rest);
      if (done.code !== 0) throw new Error(`docker ${rest.join(" ")}: ${done.code}: ${done.stderr}`);
      return done.stdout.trim();
    },
    async [Symbol.asyncDispose]() {
      const gone = child.exitCode === null ? once(child, "exit") : undefined;
      child.kill();
      await gone;
      if (existsSync(folder)) rmSync(folder, { recursive: true });
    },
  };
}
