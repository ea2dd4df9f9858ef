import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Channel } from "../../build/channel.ts";
import { BerthError } from "../../spec/errors.ts";
import type { EngineContext } from "../context.ts";
import { aptOptions, hostSources } from "./apt.ts";
import type { BootstrapOptions } from "./bootstrap.ts";
import type { ProgressTar } from "./progress-tar.ts";

/** A distribution that mmdebstrap can make. */
export interface Distribution {
  /** ID in os-release(5). */
  id: string;
  keyring: string;
  keyringPackage: string;
  components: string;
  /** Suites by other names: versions, and what `latest` means. */
  suites: Record<string, string>;
}

/** By image name. */
export const DISTRIBUTIONS: Record<string, Distribution> = {
  debian: {
    id: "debian",
    keyring: "/usr/share/keyrings/debian-archive-keyring.gpg",
    keyringPackage: "debian-archive-keyring",
    components: "main",
    suites: { latest: "stable", "11": "bullseye", "12": "bookworm", "13": "trixie" },
  },
  ubuntu: {
    id: "ubuntu",
    keyring: "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
    keyringPackage: "ubuntu-keyring",
    components: "main universe",
    suites: { latest: "noble", "20.04": "focal", "22.04": "jammy", "24.04": "noble" },
  },
};

const SLIM = ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*"];
const DAY_SECONDS = 86_400;
const SUITE = /^[a-z][a-z0-9-]*$/;

/**
 * Runs mmdebstrap in mount and pid namespaces of its own: when its first process is killed, so are all others, and no mount is left on the
 * host. Throws at once where a program or keyring is missing.
 */
export function debootstrapTar(
  ctx: EngineContext,
  wanted: { distribution: Distribution; tag: string },
  options: BootstrapOptions,
): ProgressTar {
  const { distribution } = wanted;
  const slim = wanted.tag.endsWith("-slim");
  const tag = slim ? wanted.tag.slice(0, -"-slim".length) : wanted.tag;
  const suite = distribution.suites[tag] ?? tag;
  if (!SUITE.test(suite))
    throw new BerthError("invalid-argument", `bootstrap: "${tag}" is no suite of ${distribution.id}`);
  requireInstalled(distribution);
  const lines = new Channel<string>();
  const started = start(ctx, { distribution, suite, slim }, options);
  return {
    bytes: bytesOf(started, lines, options.signal),
    lines,
    finish: async () => {
      lines.close();
      await (await started).end();
    },
    cancel: async () => (await started).end(),
  };
}

function requireInstalled(distribution: Distribution): void {
  if (!(process.env["PATH"] ?? "").split(":").some((dir) => existsSync(`${dir}/mmdebstrap`))) {
    throw new BerthError("not-found", "bootstrap: mmdebstrap is not installed on this host", {
      hint: "apt-get install mmdebstrap",
    });
  }
  if (existsSync(distribution.keyring)) return;
  throw new BerthError(
    "not-found",
    `bootstrap: no keys to verify ${distribution.id}: ${distribution.keyring} is not there`,
    {
      hint: `apt-get install ${distribution.keyringPackage}`,
    },
  );
}

interface Maker {
  child: ChildProcess;
  exited: Promise<number>;
  /** Kills it where it still runs, and removes its folder. Repeatable. */
  end(): Promise<void>;
}

async function start(
  ctx: EngineContext,
  what: { distribution: Distribution; suite: string; slim: boolean },
  options: BootstrapOptions,
): Promise<Maker> {
  mkdirSync(`${ctx.dataRoot}/tmp`, { recursive: true });
  const dir = await mkdtemp(`${ctx.dataRoot}/tmp/bootstrap-`);
  // apt downloads as its own user.
  await chmod(dir, 0o755);
  const today = Math.floor(Date.now() / 1000 / DAY_SECONDS) * DAY_SECONDS;
  const argv = await command(what, options);
  const child = spawn(
    "unshare",
    ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", ...argv],
    {
      stdio: ["ignore", "pipe", "pipe"],
      // Times in the image are cut at the day, so that two bootstraps of one day agree.
      env: { SOURCE_DATE_EPOCH: String(today), ...process.env, TMPDIR: dir, LC_ALL: "C.UTF-8" },
    },
  );
  const exited = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 128));
  });
  exited.catch(() => undefined); // Told to whoever reads the tar.
  const end = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await exited.catch(() => undefined);
    await rm(dir, { recursive: true, force: true });
  };
  return { child, exited, end };
}

async function command(
  what: { distribution: Distribution; suite: string; slim: boolean },
  options: BootstrapOptions,
): Promise<string[]> {
  const { distribution, suite } = what;
  const sources = options.mirror
    ? [`deb ${options.mirror} ${suite} ${distribution.components}`]
    : await hostSources(distribution, suite);
  const include = [...options.include, ...(sources.some((s) => s.includes("https://")) ? ["ca-certificates"] : [])];
  return [
    ...["mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar"],
    ...(include.length > 0 ? [`--include=${include.join(",")}`] : []),
    ...(await aptOptions()).map((line) => `--aptopt=${line}`),
    ...(what.slim ? SLIM.map((path) => `--dpkgopt=path-exclude=${path}`) : []),
    `--keyring=${distribution.keyring}`,
    ...[suite, "-", ...sources],
  ];
}

async function* bytesOf(
  starting: Promise<Maker>,
  lines: Channel<string>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const maker = await starting;
  const kill = (): void => void maker.child.kill("SIGKILL");
  signal.addEventListener("abort", kill);
  let last = "";
  try {
    if (signal.aborted) kill();
    const { stdout, stderr } = maker.child;
    if (!stdout || !stderr) throw new BerthError("internal", "bootstrap: mmdebstrap has no output");
    const errors = createInterface({ input: stderr });
    errors.on("line", (line) => {
      if (line.startsWith("E:") || last === "") last = line;
      lines.push(line);
    });
    for await (const chunk of stdout) yield chunk as Uint8Array;
    const code = await maker.exited;
    if (signal.aborted) throw new BerthError("unavailable", "the bootstrap was cancelled");
    if (code !== 0) throw new BerthError("unavailable", `bootstrap: mmdebstrap: ${last || `exit code ${code}`}`);
  } finally {
    signal.removeEventListener("abort", kill);
    await maker.end();
    lines.close();
  }
}
