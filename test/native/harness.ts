import { afterAll, describe, expect } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Duplex } from "node:stream";
import { launchMonitor } from "../../src/host/monitor.ts";
import type { LogOptions, MonitorHandle, MonitorOptions, StdioOptions } from "../../src/host/monitor-types.ts";
import type { Process, RuntimeSpec } from "../../src/spec/runtime-spec.ts";

const ROOT = join(import.meta.dir, "../..");
const CAPABILITIES = ["CAP_KILL", "CAP_DAC_OVERRIDE", "CAP_CHOWN", "CAP_SETUID", "CAP_SETGID", "CAP_MKNOD"];
const APPLETS = ["sh", "true", "false", "echo", "cat", "sleep", "stty", "head", "tr", "kill", "seq", "dd", "ls", "wc"];

/** What a test asks of its container beside the command. */
export interface Wish {
  stdio?: Partial<StdioOptions>;
  log?: Omit<LogOptions, "path">;
  memory?: number;
  runtime?: string;
  id?: string;
  dir?: string;
  process?: Partial<Process>;
  rootfs?: Partial<MonitorOptions["rootfs"]>;
}

/** A folder for one test file: layers, state, logs; with the means to see what is left behind. */
export class Bench {
  readonly dir = realpathSync(mkdtempSync(join(tmpdir(), "berth-native-")));
  readonly cgroup = `/${basename(this.dir)}`;
  readonly layers = join(this.dir, "layers");
  readonly runtimeRoot = join(this.dir, "runtime");
  private count = 0;
  private readonly handles: MonitorHandle[] = [];

  constructor(readonly helper: string) {
    const bin = join(this.layers, "busybox/bin");
    mkdirSync(bin, { recursive: true });
    for (const name of ["proc", "sys", "dev", "tmp", "etc"]) mkdirSync(join(this.layers, "busybox", name));
    copyFileSync("/bin/busybox", join(bin, "busybox"));
    for (const applet of APPLETS) symlinkSync("busybox", join(bin, applet));
    process.env["ASAN_OPTIONS"] = `log_path=${join(this.dir, "sanitizer")}:detect_leaks=1`;
    process.env["UBSAN_OPTIONS"] = `log_path=${join(this.dir, "sanitizer")}:print_stacktrace=1`;
  }

  /** Writes the bundle and gives the options for it. */
  prepare(args: string[], wish: Wish = {}): MonitorOptions {
    const id = wish.id ?? `${basename(this.dir)}-${this.count++}`;
    const dir = wish.dir ?? join(this.dir, "c", id);
    const upper = join(this.dir, "upper", id);
    const work = join(this.dir, "work", id);
    for (const path of [dir, upper, work]) mkdirSync(path, { recursive: true });
    const stdio = { tty: false, stdin: false, stdinOnce: false, ...wish.stdio };
    const cgroup = `${this.cgroup}/${id}`;
    writeFileSync(join(dir, "config.json"), JSON.stringify(spec(args, { ...wish, tty: stdio.tty, cgroup })));
    return {
      id,
      dir,
      runtime: { path: wish.runtime ?? "/usr/bin/crun", root: this.runtimeRoot },
      rootfs: { base: this.layers, lower: ["busybox"], upper, work, volatile: true, ...wish.rootfs },
      stdio,
      cgroup,
      ...(wish.log ? { log: { path: join(dir, "log"), ...wish.log } } : {}),
    };
  }

  async launch(options: MonitorOptions): Promise<MonitorHandle> {
    const handle = await launchMonitor(options, this.helper);
    this.handles.push(handle);
    return handle;
  }

  /** Launches, attaches to all output, starts, and waits for everything to be gone. */
  async run(args: string[], wish: Wish = {}, input?: string): Promise<Finished> {
    const options = this.prepare(args, wish);
    const handle = await this.launch(options);
    const stream = await handle.attach({ stdin: input !== undefined, stdout: true, stderr: true });
    if (input !== undefined) stream.end(input);
    const output = collect(stream);
    await handle.start();
    const status = await handle.exited;
    await handle.gone;
    return { options, status, ...split(await output, options.stdio.tty) };
  }

  /** What would be left on the host: helper processes, mounts, cgroups, runtime state, sanitizer reports. */
  leftovers(): string[] {
    const found: string[] = [];
    for (const pid of readdirSync("/proc").filter((p) => /^\d+$/.test(p))) {
      const command = quiet(() => readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " "));
      if (command?.includes(this.dir) && Number(pid) !== process.pid) found.push(`process ${pid}: ${command}`);
    }
    for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n"))
      if (line.includes(this.dir)) found.push(`mount: ${line}`);
    for (const folder of this.cgroups()) for (const name of quietDir(folder)) found.push(`cgroup: ${folder}/${name}`);
    for (const name of quietDir(this.runtimeRoot)) found.push(`runtime state: ${name}`);
    for (const name of quietDir(this.dir)) {
      if (name.startsWith("sanitizer")) found.push(readFileSync(join(this.dir, name), "utf8"));
    }
    return found;
  }

  /** Waits for ended helpers to leave the process table: their end is asynchronous to `gone` by the time the kernel takes. */
  async settled(): Promise<string[]> {
    for (const until = Date.now() + 3_000; Date.now() < until; await new Promise((r) => setTimeout(r, 5))) {
      if (this.leftovers().length === 0) return [];
    }
    return this.leftovers();
  }

  /** Removes what a killed monitor of `options` left: runtime state and cgroups. */
  forget(options: MonitorOptions): void {
    rmSync(join(this.runtimeRoot, options.id), { recursive: true });
    for (const folder of this.cgroups()) spawnSync("rmdir", [join(folder, options.id)], { stdio: "ignore" });
  }

  async dispose(): Promise<void> {
    for (const handle of this.handles) await handle.signal(9);
    for (const folder of this.cgroups()) spawnSync("rmdir", [folder], { stdio: "ignore" });
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Folders that hold this bench's cgroups, in every hierarchy. */
  cgroups(): string[] {
    const top = "/sys/fs/cgroup";
    return [top, ...readdirSync(top).map((name) => join(top, name))]
      .map((folder) => join(folder, this.cgroup))
      .filter((folder) => existsSync(folder));
  }
}

/** How a container of `Bench.run` went. */
export interface Finished {
  options: MonitorOptions;
  status: { code: number; signal?: number; oomKilled: boolean; startedAt: number; finishedAt: number };
  stdout: string;
  stderr: string;
}

/** Runs the tests once with the real helper and once with the sanitizer build. */
export function withHelpers(name: string, tests: (bench: () => Bench) => void): void {
  execFileSync(join(ROOT, "tools/build-native"));
  execFileSync(join(ROOT, "tools/build-native"), ["--sanitize"]);
  for (const helper of ["berth-helper", "berth-helper-san"]) {
    describe(`${name} (${helper})`, () => {
      const bench = new Bench(join(ROOT, ".build", helper));
      afterAll(async () => {
        const left = await bench.settled();
        await bench.dispose();
        expect(left).toEqual([]);
      });
      tests(() => bench);
    });
  }
}

/** All bytes until the stream ends. */
export async function collect(stream: Duplex): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Resolves with what has come once it holds `text`. */
export function until(stream: Duplex, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let all = "";
    const more = (chunk: Buffer): void => {
      all += chunk.toString("latin1");
      if (!all.includes(text)) return;
      stream.off("data", more);
      resolve(all);
    };
    stream.on("data", more);
    stream.once("close", () => reject(new Error(`ended before ${JSON.stringify(text)}: ${JSON.stringify(all)}`)));
  });
}

/** Takes Docker's frames apart (Engine API, "Stream format"); a header that is not one throws. */
export function split(bytes: Buffer, tty: boolean): { stdout: string; stderr: string } {
  if (tty) return { stdout: bytes.toString("latin1"), stderr: "" };
  const out: Buffer[][] = [[], [], []];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    const stream = bytes.readUInt32LE(at);
    if (at + 8 + length > bytes.length || (stream !== 1 && stream !== 2)) throw new Error(`bad frame at ${at}`);
    out[stream]?.push(bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  const text = (i: number): string => Buffer.concat(out[i] ?? []).toString("latin1");
  return { stdout: text(1), stderr: text(2) };
}

function spec(args: string[], wish: Wish & { tty: boolean; cgroup: string }): RuntimeSpec {
  return {
    ociVersion: "1.0.2",
    process: processSpec(args, wish.tty, wish.process),
    root: { path: "rootfs", readonly: false },
    hostname: "native",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "size=65536k"] },
      {
        destination: "/dev/pts",
        type: "devpts",
        source: "devpts",
        options: ["newinstance", "ptmxmode=0666", "mode=0620"],
      },
    ],
    linux: {
      namespaces: (["pid", "network", "ipc", "uts", "mount"] as const).map((type) => ({ type })),
      cgroupsPath: wish.cgroup,
      ...(wish.memory ? { resources: { memory: { limit: wish.memory, swap: wish.memory } } } : {}),
    },
  };
}

/** process.json, or the `process` of config.json. */
export function processSpec(args: string[], tty: boolean, more: Partial<Process> = {}): Process {
  return {
    terminal: tty,
    user: { uid: 0, gid: 0 },
    args,
    env: ["PATH=/bin", "HOME=/"],
    cwd: "/",
    capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
    ...more,
  };
}

function quiet<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // The process or folder has just gone.
  }
}

function quietDir(path: string): string[] {
  // cgroup folders also hold control files, which are no leftovers.
  return (
    quiet(() => readdirSync(path, { withFileTypes: true }))
      ?.filter((e) => e.isDirectory() || e.name.startsWith("sanitizer"))
      .map((e) => e.name) ?? []
  );
}
