import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { RUN_FLAGS } from "../../../src/cli/commands/run.ts";
import { type RunOutcome, run } from "../../../src/host/spawn.ts";
import { majorOf, minorOf } from "../../../src/host/sys.ts";
import { hostPlatform } from "../../../src/spec/platform.ts";
import { DOCKER, TestDaemon } from "../../../src/testing/daemon.ts";
import { EFFECTS } from "./effects.ts";
import { OF_THE_CLIENT, REFUSED, ROWS } from "./rows.ts";

// Every flag of `docker run`: what is to be seen of it inside a container, or in its inspection.
setDefaultTimeout(300_000);

/** A disk of this host whose throttles can be set: cgroups know whole disks only. */
const DISK = readdirSync("/sys/block").find((name) => !/^(loop|ram|zram)/.test(name) && existsSync(`/dev/${name}`));
const NEEDS_DISK = new Set(["device-read-bps", "device-read-iops", "device-write-bps", "device-write-iops"]);

let daemon: TestDaemon;
let host: string;
const cdi = mkdtempSync("/var/tmp/berth-cdi.");
beforeAll(async () => {
  daemon = await TestDaemon.start({
    flags: ["--cdi-spec-dir", "/var/tmp/berth-no-such-folder", "--cdi-spec-dir", cdiFolder()],
  });
  host = join(daemon.root, "host");
  mkdirSync(host);
  process.env["FROM_SHELL"] = "shell's";
  const files = {
    env: "# numbers\nONE=1\nTWO=two words\nFROM_SHELL\n",
    labels: "from=a file\n",
    "seccomp.json": JSON.stringify({
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 5 }],
    }),
    file: "here\n",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(host, name), text);
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "donor",
    "-v",
    "/given",
    "busybox",
    "sh",
    "-c",
    "echo given >/given/file; sleep 1000",
  );
});
afterAll(async () => {
  delete process.env["FROM_SHELL"];
  rmSync(cdi, { recursive: true });
  await daemon[Symbol.asyncDispose]();
});

function cdiFolder(): string {
  const node = { path: "/dev/gpu0", hostPath: "/dev/zero" };
  const devices = [{ name: "0", containerEdits: { env: ["GPU=0"], deviceNodes: [node] } }];
  writeFileSync(join(cdi, "gpu.json"), JSON.stringify({ cdiVersion: "0.5.0", kind: "berth.test/gpu", devices }));
  return cdi;
}

function filled(text: string): string {
  const rdev = DISK ? statSync(`/dev/${DISK}`).rdev : 0;
  return text
    .replace("HOST", host)
    .replace("DISK", `/dev/${DISK}`)
    .replace(/^d:d /, `${majorOf(rdev)}:${minorOf(rdev)} `)
    .replace("PLATFORM", hostPlatform().architecture)
    .replace("CGROUP", daemon.name)
    .replace(/^NS:(\w+)$/, (_, kind: string) => readlinkSync(`/proc/self/ns/${kind}`));
}

/** As `daemon[cli]`, with one more variable for `-e` to take over. */
function byCli(cli: "docker" | "berth", ...args: string[]): Promise<RunOutcome> {
  if (cli === "berth") return daemon.berth(...args);
  const { PATH = "", FROM_SHELL = "" } = process.env;
  const env = { PATH, FROM_SHELL, HOME: "/nonexistent", DOCKER_CONFIG: "/nonexistent" };
  return run([DOCKER, "-H", `unix://${daemon.socket}`, ...args], { env });
}

const wanted = (shows: string | RegExp): string | RegExp =>
  typeof shows === "string" ? filled(shows) : new RegExp(filled(shows.source));

describe.each(["docker", "berth"] as const)("a container shows what was asked for by %s", (cli) => {
  const rows = Object.entries(ROWS).filter(([name]) => DISK || !NEEDS_DISK.has(name));
  test.each(rows.map(([name, row]) => [`--${name}`, row] as const))("%s", async (_, row) => {
    const flags = row.flags.map(filled);
    let shown: string;
    if (row.inspect) {
      const { stdout } = await byCli(cli, "create", ...flags, "busybox", "true");
      shown = await daemon.ok("inspect", "-f", row.inspect, stdout.trim());
      await daemon.ok("rm", stdout.trim());
    } else {
      const done = await byCli(
        cli,
        "run",
        "--rm",
        ...flags,
        "busybox",
        ...(row.argv ?? ["sh", "-c", row.inside ?? ""]),
      );
      shown = (done.stdout + done.stderr).replaceAll("\r", "").trim();
    }
    const want = wanted(row.shows);
    if (typeof want === "string") expect(shown).toBe(want);
    else expect(shown).toMatch(want);
  });
});

test.each(Object.entries(REFUSED).map(([name, row]) => [`--${name}`, row] as const))(
  "%s is refused",
  async (_, row) => {
    for (const cli of ["berth", "docker"] as const) {
      const done = await daemon[cli]("create", ...row.flags, "busybox", "true");
      expect([done.code, done.stdout]).toEqual([expect.any(Number) as number, ""]);
      expect(done.code).not.toBe(0);
      expect(done.stderr).toContain(row.words);
    }
  },
);

describe("flags of the command line itself", () => {
  test("--cidfile: the id, once", async () => {
    const file = join(host, "cid");
    const id = await daemon.ok("create", "--cidfile", file, "busybox", "true");
    expect(readFileSync(file, "utf8")).toBe(id);
    const again = await daemon.berth("create", "--cidfile", file, "busybox", "true");
    expect(again.stderr).toContain("container ID file found, make sure the other container isn't running or delete");
    expect(await daemon.ok("inspect", "-f", "{{.HostConfig.ContainerIDFile}}", id)).toBe(file);
    await daemon.ok("rm", id);
    const nowhere = await daemon.berth("create", "--name", "no-file", "--cidfile", "/no/such/cid", "busybox", "true");
    expect([nowhere.code, nowhere.stderr.trim()]).toEqual([
      1,
      "failed to create the container ID file: open /no/such/cid: no such file or directory",
    ]);
    expect((await daemon.berth("inspect", "no-file")).code).toBe(1);
    const failed = await daemon.berth("create", "--cidfile", `${file}2`, "-m", "1", "busybox", "true");
    expect(failed.stderr).toContain("Minimum memory limit allowed is 6MB");
    expect(existsSync(`${file}2`)).toBe(false);
  });

  test("--detach: the id, and it goes on", async () => {
    const id = await daemon.ok("run", "-d", "busybox", "sleep", "1000");
    expect(await daemon.ok("inspect", "-f", "{{.State.Running}}", id)).toBe("true");
    await daemon.ok("rm", "-f", id);
  });

  test.each([
    ["docker", "SIGTERM"],
    ["docker", "SIGWINCH"],
    ["berth", "SIGTERM"],
    ["berth", "SIGWINCH"],
    ["berth", "SIGUSR2"],
  ] as const)("--sig-proxy by %s: %s reaches the container", async (cli, signal) => {
    const program = cli === "docker" ? DOCKER : join(import.meta.dir, "../../../dist/berth");
    const script = `trap 'exit 9' ${signal.slice("SIG".length)}; echo up; while :; do sleep 0.01; done`;
    const child = Bun.spawn(
      [program, "-H", `unix://${daemon.socket}`, "run", "--rm", "--sig-proxy", "busybox", "sh", "-c", script],
      { stdout: "pipe", stderr: "ignore" },
    );
    await child.stdout.getReader().read();
    child.kill(signal);
    expect(await child.exited).toBe(9);
  });

  test("--sig-proxy=false: a signal ends the command line, not the container", async () => {
    const berth = join(import.meta.dir, "../../../dist/berth");
    const child = Bun.spawn(
      [
        berth,
        "-H",
        `unix://${daemon.socket}`,
        "run",
        "--sig-proxy=false",
        "--name",
        "proxied",
        "busybox",
        "sh",
        "-c",
        "trap 'exit 9' TERM; echo up; sleep 1000 & wait",
      ],
      { stdout: "pipe", stderr: "ignore" },
    );
    const reader = child.stdout.getReader();
    await reader.read();
    child.kill("SIGTERM");
    await child.exited;
    expect(await daemon.ok("inspect", "-f", "{{.State.Running}}", "proxied")).toBe("true");
    await daemon.ok("rm", "-f", "proxied");
  });

  test.each(["docker", "berth"])("--use-api-socket by %s: the socket and the logins are inside", async (by) => {
    const config = join(host, `config-${by}`);
    mkdirSync(config, { recursive: true });
    const auth = Buffer.from("me:secret").toString("base64");
    writeFileSync(join(config, "config.json"), JSON.stringify({ auths: { "registry.test": { auth } }, psFormat: "x" }));
    const program = by === "docker" ? DOCKER : join(import.meta.dir, "../../../dist/berth");
    const inside = async (...flags: string[]): Promise<string> => {
      const command =
        "echo $DOCKER_CONFIG; stat -c '%a %U' $DOCKER_CONFIG/config.json; echo =; cat $DOCKER_CONFIG/config.json; echo =; test -S /var/run/docker.sock && echo socket";
      const argv = [
        program,
        "--config",
        config,
        "-H",
        `unix://${daemon.socket}`,
        "run",
        "--rm",
        "--use-api-socket",
        ...flags,
      ];
      const done = await run([...argv, "busybox", "sh", "-c", command], { env: { PATH: process.env["PATH"] ?? "" } });
      return done.stdout + done.stderr;
    };
    const [first, file, last] = (await inside()).split("=\n");
    expect(first).toBe("/run/secrets/docker\n600 root\n");
    expect(JSON.parse(file ?? "")).toEqual({ auths: { "registry.test": { auth } } });
    expect(last).toBe("socket\n");
    // Who brings a configuration of their own gets the socket alone.
    expect(await inside("-e", "DOCKER_CONFIG=/own")).toStartWith("/own\n");
    const tcp = await run([program, "-H", "tcp://127.0.0.1:1", "create", "--use-api-socket", "busybox"]);
    expect(tcp.stderr).toContain(
      "flag --use-api-socket can only be used with unix sockets: docker endpoint tcp://127.0.0.1:1 incompatible",
    );
  });

  test("--help: all of the flags", async () => {
    const { stdout } = await daemon.berth("run", "--help");
    for (const name of Object.keys(ROWS)) expect(stdout).toContain(`--${name}`);
  });
});

test.each(["run", "create"])("every flag of `docker %s` is in a table", async (command) => {
  const env = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" };
  const help = await run([DOCKER, command, "--help"], { env });
  const theirs = [...help.stdout.matchAll(/^ +(?:-\w, )?--([a-z0-9-]+)/gm)].map(([, name]) => name ?? "");
  expect(theirs.length).toBeGreaterThan(95);
  const covered = new Set([ROWS, REFUSED, OF_THE_CLIENT, EFFECTS].flatMap((table) => Object.keys(table)));
  expect(theirs.filter((name) => !covered.has(name))).toEqual([]);
  expect([...covered].filter((name) => name !== "help" && !(name in RUN_FLAGS))).toEqual([]);
  for (const [name, file] of Object.entries(OF_THE_CLIENT)) {
    const folder = file === "flags.test.ts" ? import.meta.dir : join(import.meta.dir, "..");
    expect([name, readFileSync(join(folder, file), "utf8").includes(name)]).toEqual([name, true]);
  }
  expect(lstatSync(import.meta.path).isFile()).toBe(true);
});
