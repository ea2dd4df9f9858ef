import { spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BerthError } from "../spec/errors.ts";
import { connectHelper } from "./monitor-connection.ts";
import type {
  ExecOptions,
  LogOptions,
  MonitorHandle,
  MonitorOptions,
  OverlayMount,
  RuntimeBinary,
  StageMount,
  StdioOptions,
} from "./monitor-types.ts";

export { readExit, readPid } from "./monitor-files.ts";

type Entry = [key: string, value: string | number | boolean | undefined];

/**
 * Starts `berth-helper monitor` (`helper` is its path) for the bundle in `options.dir`. Afterwards the mounts are made and the socket listens; nothing runs.
 * Throws `internal` with the helper's one line where it cannot; nothing is left then. A crash in between leaves a helper that gives up by itself
 * after a minute without a control connection, or is found by `reconnectMonitor`. `onRunning` is called, if ever, before `start` resolves and
 * while the OCI runtime's state is most likely still there.
 */
export async function launchMonitor(
  options: MonitorOptions,
  helper: string,
  onRunning?: () => void,
): Promise<MonitorHandle> {
  const entries: Entry[] = [
    ["id", options.id],
    ...runtimeEntries(options.runtime),
    ...rootfsEntries(options.rootfs),
    ...stdioEntries(options.stdio),
    ...logEntries(options.log),
    ["cgroup", options.cgroup],
    ...(options.stages ?? []).flatMap(stageEntries),
  ];
  return launch([helper, "monitor", options.dir], entries, onRunning);
}

/** Starts `berth-helper exec` for the process.json in `options.dir`. Same life cycle as a monitor, without log and mounts of its own. */
export async function launchExec(options: ExecOptions, helper: string): Promise<MonitorHandle> {
  return launch(
    [helper, "exec", options.dir],
    [
      ["id", options.containerId],
      ...runtimeEntries(options.runtime),
      ...stdioEntries(options.stdio),
      ["monitor", options.monitorPid],
    ],
  );
}

/** The handle of the monitor or exec helper that lives in `dir`; undefined where it has ended (see `readExit`, `readPid`). */
export function reconnectMonitor(dir: string): Promise<MonitorHandle | undefined> {
  return connectHelper(dir);
}

async function launch(
  argv: [helper: string, verb: string, dir: string],
  entries: Entry[],
  onRunning?: () => void,
): Promise<MonitorHandle> {
  const [, verb, dir] = argv;
  rmSync(join(dir, "exit"), { force: true });
  writeFileSync(join(dir, `${verb}.conf`), encode(entries), { mode: 0o600 });
  const { code, stderr } = await runHelper(argv);
  if (code !== 0) throw new BerthError("internal", stderr || `${verb} helper: exit code ${code}`);
  const handle = await connectHelper(dir, onRunning);
  if (!handle) throw new BerthError("internal", `${dir}: the ${verb} helper ended at once`);
  return handle;
}

function runHelper(argv: [string, string, string]): Promise<{ code: number; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0], argv.slice(1), { stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.on("error", (cause) => reject(new BerthError("internal", `${argv[0]}: ${cause.message}`, { cause })));
    child.on("close", (code) => resolve({ code: code ?? 1, stderr: stderr.trim() }));
  });
}

/** NUL-terminated key=value entries; false and undefined are left out. */
function encode(entries: Entry[]): string {
  return entries
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([key, value]) => {
      const text = value === true ? "1" : `${value}`;
      if (text.includes("\0")) throw new BerthError("invalid-argument", `${key}: a NUL byte is not allowed`);
      return `${key}=${text}\0`;
    })
    .join("");
}

function runtimeEntries(runtime: RuntimeBinary): Entry[] {
  return [
    ["runtime", runtime.path],
    ["runtime-root", runtime.root],
    ...(runtime.args ?? []).map((arg): Entry => ["runtime-arg", arg]),
  ];
}

function rootfsEntries(rootfs: OverlayMount): Entry[] {
  return [
    ["base", rootfs.base],
    ...rootfs.lower.map((name): Entry => ["lower", name]),
    ["upper", rootfs.upper],
    ["work", rootfs.work],
    ["volatile", rootfs.volatile],
  ];
}

/** Keys of a stage follow its `stage`. */
function stageEntries({ source, subpath, shared, alone, owners, secret }: StageMount): Entry[] {
  const layers: Entry[] =
    typeof source === "string"
      ? []
      : [["stage-base", source.base], ...source.lower.map((name): Entry => ["stage-lower", name])];
  return [
    ["stage", typeof source === "string" ? source : ""],
    ...layers,
    ["stage-sub", subpath],
    ["stage-shared", shared],
    ["stage-alone", alone],
    ["stage-uids", owners?.uids],
    ["stage-gids", owners?.gids],
    ["stage-secret", secret !== undefined],
    ["stage-uid", secret?.uid],
    ["stage-gid", secret?.gid],
    ["stage-mode", secret?.mode],
  ];
}

function stdioEntries(stdio: StdioOptions): Entry[] {
  return [
    ["tty", stdio.tty],
    ["stdin", stdio.stdin],
    ["stdin-once", stdio.stdinOnce],
    ["rows", stdio.rows],
    ["cols", stdio.cols],
  ];
}

function logEntries(log: LogOptions | undefined): Entry[] {
  if (!log) return [];
  const attrs = Object.entries(log.attrs ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    ["log", log.path],
    ["log-size", log.maxSize],
    ["log-files", log.maxFiles],
    ["log-compress", log.compress],
    ["log-raw", log.raw],
    ["log-attrs", attrs.length > 0 ? `,"attrs":${JSON.stringify(Object.fromEntries(attrs))}` : undefined],
  ];
}
