import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readIfThere } from "../host/files.ts";
import { type RunOutcome, run, runOk } from "../host/spawn.ts";

const BERTH = join(import.meta.dir, "../../dist/berth");
const UNPACKED_DOCKER = join(import.meta.dir, "../../.build/docker/usr/bin/docker");
/** The unmodified docker command line: the one that tools/setup unpacked, else the host's. */
export const DOCKER = existsSync(UNPACKED_DOCKER) ? UNPACKED_DOCKER : "docker";

/** How a test's daemon is started. */
export interface TestDaemonOptions {
  /** In a network namespace of its own, with only loopback; false: the host's, for tests that need a mirror. */
  isolated?: boolean;
  flags?: string[];
  /** Make the image busybox:latest, as `berth bootstrap busybox` does. Default true. */
  busybox?: boolean;
}

/** What a daemon and its containers have on this machine, by kind. Empty lists: nothing. */
export interface Leftovers {
  mounts: string[];
  cgroups: string[];
  namespaces: string[];
  links: string[];
  tables: string[];
  processes: string[];
}

/** A real `dist/berth daemon` with roots, socket, bridge, cgroup parent and network namespace of its own. `await using` takes all of it away. */
export class TestDaemon implements AsyncDisposable {
  readonly name: string;
  readonly root: string;
  readonly socket: string;
  pid = 0;
  /** What the daemon has logged so far. */
  log = "";
  private readonly isolated: boolean;
  private readonly flags: string[];

  private constructor(options: TestDaemonOptions) {
    this.root = mkdtempSync("/var/tmp/berth-test.");
    this.name = `bt${this.root.slice(-6).toLowerCase()}`;
    this.socket = join(this.root, "run", "berth.sock");
    this.isolated = options.isolated !== false;
    this.flags = options.flags ?? [];
  }

  /** Starts one and answers when it listens. */
  static async start(options: TestDaemonOptions = {}): Promise<TestDaemon> {
    const daemon = new TestDaemon(options);
    try {
      if (daemon.isolated) await runOk(["ip", "netns", "add", daemon.name]);
      if (daemon.isolated) await runOk(daemon.inNet("ip", "link", "set", "lo", "up"));
      await daemon.up();
      if (options.busybox !== false) await daemon.ok("bootstrap", "busybox");
      return daemon;
    } catch (error) {
      // What went wrong first is what is told.
      await daemon[Symbol.asyncDispose]().catch((after: unknown) => console.error(`clean-up: ${String(after)}`));
      throw error;
    }
  }

  /** Starts the daemon's process, again after `crash` or `down`. */
  async up(): Promise<void> {
    const argv = this.inNet(
      BERTH,
      "daemon",
      ...["-H", `unix://${this.socket}`, "--data-root", join(this.root, "data"), "--exec-root", join(this.root, "run")],
      ...["--bridge", this.name, "--cgroup-parent", this.name],
      ...this.flags,
    );
    const [file = "", ...args] = argv;
    const child = spawn(file, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, BERTH_READY: "stdout" },
      detached: true,
    });
    child.stderr?.on("data", (b: Buffer) => {
      this.log += b.toString();
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once("data", () => resolve());
      child.once("exit", (code) => reject(new Error(`berth daemon ended with ${code}: ${this.log}`)));
    });
    this.pid = child.pid ?? 0;
    child.unref();
  }

  /** SIGKILL, and waits until it is gone. */
  async crash(): Promise<void> {
    await this.end("SIGKILL");
  }

  /** SIGTERM, and waits until it has left. */
  async down(): Promise<void> {
    await this.end("SIGTERM");
  }

  /** argv that runs in the daemon's network namespace. */
  inNet(...argv: string[]): string[] {
    return this.isolated ? ["nsenter", `--net=/run/netns/${this.name}`, "--", ...argv] : argv;
  }

  /** Berth's own command line against this daemon. */
  berth(...args: string[]): Promise<RunOutcome> {
    return run([BERTH, "-H", `unix://${this.socket}`, ...args]);
  }

  /** As `berth`, trimmed stdout; throws where the exit code is not 0. */
  async ok(...args: string[]): Promise<string> {
    const done = await this.berth(...args);
    if (done.code !== 0) throw new Error(`berth ${args.join(" ")}: exit code ${done.code}: ${done.stderr}${this.log}`);
    return done.stdout.trim();
  }

  /** The unmodified docker command line, without plugins. */
  docker(...args: string[]): Promise<RunOutcome> {
    return run([DOCKER, "-H", `unix://${this.socket}`, ...args], {
      env: { ...dockerEnv(), PATH: process.env["PATH"] ?? "" },
    });
  }

  /** What is left of containers; the daemon's own bridge, table and pool count too while it runs. */
  async leftovers(): Promise<Leftovers> {
    const list = async (...argv: string[]): Promise<string[]> =>
      (await run(this.inNet(...argv))).stdout.split("\n").filter(Boolean);
    const netns = existsSync("/run/netns") ? readdirSync("/run/netns") : [];
    return {
      mounts: readFileSync("/proc/mounts", "utf8")
        .split("\n")
        .filter((m) => m.includes(this.root)),
      cgroups: cgroupsNamed(this.name),
      namespaces: netns.filter((n) => n.startsWith(`${this.name}-`)),
      links: (await list("ip", "-o", "link")).filter((l) => !/: lo:/.test(l)),
      tables: await list("nft", "list", "tables"),
      processes: processesNaming(this.root).filter((p) => !p.includes("berth daemon ") && !this.isNetHelper(p)),
    };
  }

  /** True for the line of the daemon's helper of the network, while the daemon lives. */
  private isNetHelper(line: string): boolean {
    if (!line.trimEnd().endsWith(" net")) return false;
    const status = readIfThere(`/proc/${Number.parseInt(line, 10)}/status`) ?? "";
    return this.pid > 0 && status.includes(`PPid:\t${this.pid}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (existsSync(this.socket) && this.pid > 0) {
      const ids = (await this.berth("ps", "-aq")).stdout.split("\n").filter(Boolean);
      if (ids.length > 0) await this.berth("rm", "-f", "-v", ...ids);
    }
    await this.down();
    if (this.isolated) await run(["ip", "netns", "del", this.name]);
    await this.removeRemains();
    rmSync(this.root, { recursive: true, force: true });
  }

  /** What a daemon leaves that did not come to its end: containers with their monitors, and the mounts that keep its network namespaces. */
  private async removeRemains(): Promise<void> {
    const groups = cgroupsNamed(this.name).reverse();
    const members = groups.flatMap((dir) => readFileSync(join(dir, "cgroup.procs"), "utf8").split("\n").map(Number));
    const pids = [...processesNaming(this.root).map((line) => Number.parseInt(line, 10)), ...members].filter(
      (pid) => pid > 1,
    );
    for (const pid of pids) if (isAlive(pid)) process.kill(pid, "SIGKILL");
    while (pids.some(isAlive)) await new Promise((done) => setTimeout(done, 5));
    for (const path of mountsBelow(this.root)) await run(["umount", "-l", path]);
    for (const dir of groups) if (existsSync(dir)) rmdirSync(dir);
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const pid = this.pid;
    if (pid === 0) return;
    this.pid = 0;
    if (isAlive(pid)) process.kill(pid, signal);
    while (isAlive(pid)) await new Promise((done) => setTimeout(done, 5));
  }
}

function dockerEnv(): Record<string, string> {
  return { DOCKER_BUILDKIT: "0", DOCKER_CONFIG: "/nonexistent", HOME: "/nonexistent" };
}

/** A zombie counts as ended: its parent, this very process, reaps it in its own time. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false; // No such process.
  }
}

/** Mount points below `root`, the last made first. */
function mountsBelow(root: string): string[] {
  const lines = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return lines
    .flatMap((line) => (line.split(" ")[1]?.startsWith(`${root}/`) ? [line.split(" ")[1] ?? ""] : []))
    .reverse();
}

function cgroupsNamed(name: string): string[] {
  const ROOT = "/sys/fs/cgroup";
  const tops = [
    ROOT,
    ...readdirSync(ROOT, { withFileTypes: true })
      .filter((e) => e.isDirectory())
      .map((e) => join(ROOT, e.name)),
  ];
  return tops
    .map((t) => join(t, name))
    .filter((d) => existsSync(d))
    .flatMap((d) => [
      d,
      ...readdirSync(d, { withFileTypes: true })
        .filter((e) => e.isDirectory())
        .map((e) => join(d, e.name)),
    ]);
}

function processesNaming(text: string): string[] {
  return readdirSync("/proc")
    .filter((n) => /^\d+$/.test(n) && Number(n) !== process.pid)
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
        return line.includes(text) ? [`${pid} ${line}`] : [];
      } catch {
        return []; // It ended meanwhile.
      }
    });
}
