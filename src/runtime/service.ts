import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cgroupProcesses, freezeCgroup, isFrozen, removeCgroup } from "../host/cgroup.ts";
import { ensureDir, ensurePrivateDir, removeTree, writeAtomic } from "../host/files.ts";
import { launchExec, launchMonitor, readExit, readPid, reconnectMonitor } from "../host/monitor.ts";
import type { MonitorHandle, RuntimeBinary, StdioOptions } from "../host/monitor-types.ts";
import { killHard } from "../host/proc.ts";
import { BerthError } from "../spec/errors.ts";
import type { RuntimeTable } from "./binaries.ts";
import { settleExecs } from "./execs.ts";
import { hostFacts } from "./facts.ts";
import { SeccompFilters } from "./filters.ts";
import { sharedMemory, sweepSharedMemory } from "./shared-memory.ts";
import { cgroupPath, containerSpec, execProcess, type HostFacts } from "./spec.ts";
import type { ExecRequest, LaunchRequest, RuntimeService } from "./types.ts";

/** Where the service works and what it runs. */
export interface RuntimeOptions {
  /** `<exec-root>`: containers' state in `containers/<id>`, OCI runtimes' state in `runtime/<name>`. */
  execRoot: string;
  /** The helper's executable. */
  helper: string;
  runtimes: RuntimeTable;
  /** Cgroup below which containers go that name no parent, e.g. `berth`. */
  cgroupParent: string;
  /** Where specifications of CDI devices are; default: CDI_DIRS. */
  cdiDirs?: readonly string[];
}

/** The shim that dockerd runs its containers with: the default runtime. */
const SHIM = "io.containerd.runc.v2";

interface Context extends RuntimeOptions {
  facts: HostFacts;
  filters: SeccompFilters;
}

/** Opens the runtime service. State of containers that a former daemon launched is found below `execRoot`. */
export function openRuntimeService(options: RuntimeOptions): RuntimeService {
  const context: Context = {
    ...options,
    facts: hostFacts(options.cgroupParent, options.cdiDirs),
    filters: new SeccompFilters(),
  };
  ensurePrivateDir(join(options.execRoot, "containers"));
  sweepSharedMemory(options.execRoot);
  return {
    launch: (request) => launch(context, request),
    exec: (request) => exec(context, request),
    reconnect: async (id) => {
      await settleExecs(stateDir(context, id));
      return reconnectMonitor(stateDir(context, id));
    },
    exitStatus: (id) => readExit(stateDir(context, id)),
    cleanup: (id) => cleanup(context, id),
    known: () => readdirSync(join(options.execRoot, "containers")),
    runtimes: () => ({
      default: options.runtimes.default,
      all: options.runtimes.all,
      warnings: options.runtimes.warnings,
      cdiDirs: context.facts.cdiDirs,
    }),
    checkRuntime: (name) => void binaryOf(context, name),
  };
}

function stateDir(context: Context, id: string): string {
  return join(context.execRoot, "containers", id);
}

async function launch(context: Context, request: LaunchRequest): Promise<MonitorHandle> {
  const dir = stateDir(context, request.id);
  const runtime = binaryOf(context, request.runtime);
  ensureDir(join(dir, "rootfs"));
  const shm = sharedMemory(context.execRoot, request);
  const mounts = request.mounts.map((m) =>
    m.source?.startsWith("stage/") ? { ...m, source: join(dir, m.source) } : m,
  );
  const spec = context.filters.apply(runtime.path, containerSpec({ ...request, mounts }, context.facts, shm));
  writeAtomic(join(dir, "config.json"), JSON.stringify(spec), { mode: 0o600 });
  try {
    return await launchMonitor(
      {
        id: request.id,
        dir,
        runtime,
        rootfs: request.rootfs,
        ...(request.stages ? { stages: request.stages } : {}),
        stdio: stdioOf(request.config.Tty === true, request.config.OpenStdin === true, request),
        ...(request.log ? { log: request.log } : {}),
        cgroup: cgroupPath(request.id, request.hostConfig, context.facts),
      },
      context.helper,
      () => context.filters.learn(runtime.path, spec, join(runtime.root, request.id)),
    );
  } catch (error) {
    await cleanup(context, request.id);
    throw error;
  }
}

async function exec(context: Context, request: ExecRequest): Promise<MonitorHandle> {
  const dir = join(stateDir(context, request.containerId), "exec", request.id);
  ensureDir(dir, 0o700);
  writeAtomic(join(dir, "process.json"), JSON.stringify(execProcess(request, context.facts)), { mode: 0o600 });
  const { id, containerId, monitorPid } = request;
  const stdio = stdioOf(request.tty, request.stdin, request);
  const handle = await launchExec(
    { id, containerId, dir, monitorPid, runtime: binaryOf(context, request.runtime), stdio },
    context.helper,
  );
  void handle.gone.then(() => removeTree(dir));
  return handle;
}

function stdioOf(tty: boolean, stdin: boolean, request: LaunchRequest | ExecRequest): StdioOptions {
  const once = !("config" in request) || request.config.StdinOnce === true;
  return { tty, stdin, stdinOnce: once, ...request.consoleSize };
}

function binaryOf(context: Context, name: string | undefined): RuntimeBinary {
  const chosen = (name === SHIM ? "" : name) || context.runtimes.default;
  const found = context.runtimes.all[chosen];
  if (!found) {
    throw new BerthError("invalid-argument", `unknown or invalid runtime name: ${chosen}`, {
      hint: `known are ${Object.keys(context.runtimes.all).join(", ") || "none: install crun or runc"}`,
    });
  }
  const args = found.runtimeArgs ?? [];
  return { path: found.path, root: join(context.execRoot, "runtime", chosen), ...(args.length > 0 ? { args } : {}) };
}

/** Repeatable; a kill in the middle leaves the state folder, so that the next start-up does it again. */
async function cleanup(context: Context, id: string): Promise<void> {
  const dir = stateDir(context, id);
  const cgroup = bundleCgroup(dir);
  // A monitor that was killed leaves its container's first process running.
  const pid = readPid(dir);
  if (pid !== undefined) killHard(pid);
  if (cgroup) {
    cgroupProcesses(cgroup).forEach(killHard);
    // A frozen process of cgroup v1 dies when it is thawed.
    if (isFrozen(cgroup)) await freezeCgroup(cgroup, false);
    await removeCgroup(cgroup);
  }
  for (const name of Object.keys(context.runtimes.all)) removeTree(join(context.execRoot, "runtime", name, id));
  removeTree(dir);
  sweepSharedMemory(context.execRoot);
}

function bundleCgroup(dir: string): string | undefined {
  try {
    const spec = JSON.parse(readFileSync(join(dir, "config.json"), "utf8")) as { linux?: { cgroupsPath?: string } };
    return spec.linux?.cgroupsPath;
  } catch {
    return undefined; // A kill before the bundle was written: nothing has run.
  }
}
