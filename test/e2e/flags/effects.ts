import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type RunOutcome, run } from "../../../src/host/spawn.ts";
import { hostPlatform } from "../../../src/spec/platform.ts";
import type { TestDaemon } from "../../../src/testing/daemon.ts";

/** A daemon, and the command line that is tried on it: docker's or Berth's. */
export interface Bench {
  daemon: TestDaemon;
  cli: "docker" | "berth";
  /** The whole command line. */
  argv(...args: string[]): string[];
}

type Effect = (bench: Bench) => Promise<void>;

interface Health {
  Status: string;
  FailingStreak: number;
  Log: { ExitCode: number; Output: string }[];
}

const SLEEP = ["busybox", "sleep", "1000"];

async function ok({ daemon, cli }: Bench, ...args: string[]): Promise<string> {
  const done = await daemon[cli](...args);
  if (done.code !== 0) throw new Error(`${args.join(" ")}: ${done.stderr}`);
  return done.stdout.trim();
}

/** Runs in the background with these flags, looks, and removes it. */
async function running<T>(bench: Bench, args: string[], look: (id: string) => Promise<T>): Promise<T> {
  const id = await ok(bench, "run", "-d", ...args);
  try {
    return await look(id);
  } finally {
    await bench.daemon.ok("rm", "-f", "-v", id);
  }
}

const inspect = ({ daemon }: Bench, template: string, id: string): Promise<string> =>
  daemon.ok("inspect", "-f", template, id);

async function until<T>(ask: () => Promise<T>, wanted: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await ask();
    if (wanted(value)) return value;
    await Bun.sleep(10);
  }
}

function health(bench: Bench, flags: string[], wanted: (health: Health) => boolean): Promise<Health> {
  return running(bench, [...flags, ...SLEEP], (id) =>
    until(async () => JSON.parse(await inspect(bench, "{{json .State.Health}}", id)) as Health, wanted),
  );
}

const FAILING = ["--health-cmd", "exit 3", "--health-interval", "20ms"];
const STARTING = ["--health-cmd", "exit 3", "--health-start-period", "1h"];

const HEALTH: Record<string, Effect> = {
  "health-cmd": async (b) => {
    const flags = ["--health-cmd", "echo said", "--health-interval", "20ms"];
    const { Log } = await health(b, flags, (h) => h.Status === "healthy");
    expect(Log[0]).toMatchObject({ ExitCode: 0, Output: "said\n" });
  },
  "health-interval": async (b) => {
    await health(b, FAILING, ({ Log }) => Log.length >= 3);
  },
  "health-retries": async (b) => {
    const sick = await health(b, [...FAILING, "--health-retries", "2"], (h) => h.Status === "unhealthy");
    expect(sick.FailingStreak).toBeGreaterThanOrEqual(2);
    const patient = await health(b, [...FAILING, "--health-retries", "1000"], (h) => h.FailingStreak > 4);
    expect(patient.Status).toBe("starting");
  },
  "health-timeout": async (b) => {
    const flags = ["--health-cmd", "exec sleep 1000", "--health-interval", "20ms", "--health-timeout", "60ms"];
    const { Log } = await health(b, flags, (h) => h.Log.length > 0);
    expect(Log[0]).toMatchObject({ ExitCode: -1, Output: "Health check exceeded timeout (60ms)" });
  },
  "health-start-period": async (b) => {
    const flags = [...STARTING, "--health-start-interval", "20ms", "--health-retries", "1"];
    const early = await health(b, flags, ({ Log }) => Log.length >= 3);
    expect(early).toMatchObject({ Status: "starting", FailingStreak: 0 });
  },
  "health-start-interval": async (b) => {
    const flags = [...STARTING, "--health-interval", "1h", "--health-start-interval", "20ms"];
    await health(b, flags, ({ Log }) => Log.length >= 2);
  },
  "no-healthcheck": async (b) => {
    const image = `flags-checked-${b.cli}`;
    const made = await b.daemon.ok("create", "busybox");
    await b.daemon.ok("commit", "-c", "HEALTHCHECK CMD true", made, image);
    await b.daemon.ok("rm", made);
    const shown = (...flags: string[]): Promise<string> =>
      running(b, [...flags, image, "sleep", "1000"], (id) => inspect(b, "{{json .State.Health}}", id));
    expect(JSON.parse(await shown())).toMatchObject({ Status: "starting" });
    expect(await shown("--no-healthcheck")).toBe("null");
    await b.daemon.ok("rmi", image);
  },
};

const handler = (signal: string, act: string): string[] => [
  "busybox",
  "sh",
  "-c",
  `trap '${act}' ${signal}; echo up; while :; do sleep 0.01; done`,
];

async function stopped(bench: Bench, args: string[]): Promise<string> {
  return running(bench, args, async (id) => {
    await until(
      () => bench.daemon.ok("logs", id),
      (text) => text === "up",
    );
    await ok(bench, "stop", id);
    const times = ["--since", "1", "--until", String(Date.now() / 1000)];
    const filters = ["--filter", `container=${id}`, "--filter", "event=kill"];
    const kills = await bench.daemon.ok("events", ...times, ...filters, "--format", "{{.Actor.Attributes.reason}}");
    return `${await inspect(bench, "{{.State.ExitCode}}", id)} ${kills.split("\n").at(-1) ?? ""}`;
  });
}

const LIFE: Record<string, Effect> = {
  interactive: async (b) => {
    const fed = (...flags: string[]): Promise<RunOutcome> =>
      run(["sh", "-c", 'echo given | "$@"', "sh", ...b.argv("run", "--rm", ...flags, "busybox", "cat")]);
    expect((await fed("-i")).stdout).toBe("given\n");
    expect((await fed()).stdout).toBe("");
  },
  name: async (b) => {
    await running(b, ["--name", "flags-name", ...SLEEP], async () => {
      expect(await ok(b, "exec", "flags-name", "echo", "by name")).toBe("by name");
      const again = await b.daemon[b.cli]("create", "--name", "flags-name", "busybox");
      expect(again.stderr).toContain('The container name "/flags-name" is already in use');
    });
  },
  restart: async (b) => {
    await running(b, ["--restart", "on-failure:2", "busybox", "false"], async (id) => {
      const state = "{{.State.Running}} {{.RestartCount}} {{.State.ExitCode}}";
      const end = await until(
        () => inspect(b, state, id),
        (text) => text.startsWith("false"),
      );
      expect(end).toBe("false 2 1");
    });
  },
  rm: async (b) => {
    await ok(b, "run", "--rm", "--name", `flags-rm-${b.cli}`, "busybox", "true");
    const gone = await b.daemon.berth("inspect", `flags-rm-${b.cli}`);
    expect(gone.stderr).toContain(`No such object: flags-rm-${b.cli}`);
  },
  "stop-signal": async (b) => {
    expect(await stopped(b, ["--stop-signal", "SIGUSR1", ...handler("USR1", "exit 9")])).toStartWith("9 ");
  },
  "stop-timeout": async (b) => {
    expect(await stopped(b, ["--stop-timeout", "1", ...handler("TERM", ":")])).toBe("137 still running after 1 s");
  },
  "log-driver": async (b) => {
    await running(b, ["--log-driver", "none", "busybox", "echo", "said"], async (id) => {
      const { code, stderr } = await b.daemon[b.cli]("logs", id);
      expect([code, stderr]).toEqual([
        1,
        expect.stringContaining("configured logging driver does not support reading"),
      ]);
    });
  },
  "log-opt": async (b) => {
    const small = ["--log-opt", "max-size=1k", "--log-opt", "max-file=1", "--log-opt", "compress=false"];
    await running(b, [...small, "busybox", "seq", "1000", "1999"], async (id) => {
      await b.daemon.ok("wait", id);
      const kept = (await ok(b, "logs", id)).split("\n");
      expect(kept.at(-1)).toBe("1999");
      expect(kept).not.toContain("1000");
    });
  },
  label: async (b) => {
    await running(b, ["-l", "flags.a=b", ...SLEEP], async (id) => {
      expect(await ok(b, "ps", "-q", "--no-trunc", "--filter", "label=flags.a=b")).toBe(id);
    });
  },
  platform: async (b) => {
    const own = `linux/${hostPlatform().architecture}`;
    expect(await ok(b, "run", "--rm", "--platform", own, "busybox", "echo", "ran")).toBe("ran");
    const strange = hostPlatform().architecture === "arm64" ? "amd64" : "arm64";
    const done = await b.daemon[b.cli]("run", "--rm", "--pull", "never", "--platform", `linux/${strange}`, "busybox");
    expect(done.code).toBe(125);
  },
  pull: async (b) => {
    const { code, stderr } = await b.daemon[b.cli]("run", "--rm", "--pull", "never", "no-such-image");
    expect([code, stderr]).toEqual([125, expect.stringContaining("No such image: no-such-image:latest")]);
  },
  quiet: async (b) => {
    const told = async (...flags: string[]): Promise<boolean> =>
      (await b.daemon[b.cli]("run", "--rm", ...flags, "no-such-image")).stderr.includes("Unable to find image");
    expect([await told(), await told("-q")]).toEqual([true, false]);
  },
  runtime: async (b) => {
    expect(await ok(b, "run", "--rm", "--runtime", "runc", "busybox", "echo", "by runc")).toBe("by runc");
    const { stderr } = await b.daemon[b.cli]("run", "--rm", "--runtime", "no-such-runtime", "busybox");
    expect(stderr).toContain("unknown or invalid runtime name: no-such-runtime");
  },
  annotation: async (b) => {
    await running(b, ["--annotation", "a.b=c", ...SLEEP], async (id) => {
      const bundle = readFileSync(join(b.daemon.root, "run", "containers", id, "config.json"), "utf8");
      expect(JSON.parse(bundle)).toMatchObject({ annotations: { "a.b": "c" } });
    });
  },
};

const SERVER = ["busybox", "sh", "-c", "echo served >/page; exec httpd -f -p 80 -h /"];

/** What a client on the daemon's host gets of a published address; asked until the server listens. */
async function page({ daemon }: Bench, address: string): Promise<string> {
  const argv = daemon.inNet("timeout", "10", "busybox", "wget", "-q", "-O", "-", `http://${address}/page`);
  const { stdout } = await until(
    () => run(argv),
    ({ code }) => code === 0,
  );
  return stdout;
}

async function onNetwork(bench: Bench, look: (network: string) => Promise<void>): Promise<void> {
  const network = `flags-net-${bench.cli}`;
  await bench.daemon.ok("network", "create", "--subnet", "10.77.0.0/24", network);
  try {
    await look(network);
  } finally {
    await bench.daemon.ok("network", "rm", network);
  }
}

const NETWORK: Record<string, Effect> = {
  publish: async (b) => {
    await running(b, ["-p", "127.0.0.1::80", ...SERVER], async (id) => {
      const address = await ok(b, "port", id, "80");
      expect(address).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(await page(b, address)).toBe("served\n");
    });
  },
  "publish-all": async (b) => {
    await running(b, ["-P", "--expose", "80", ...SERVER], async (id) => {
      const address = (await ok(b, "port", id, "80")).split("\n")[0] ?? "";
      expect(await page(b, address.replace("0.0.0.0", "127.0.0.1"))).toBe("served\n");
    });
  },
  expose: async (b) => {
    await running(b, ["-P", "--expose", "7000-7002/udp", ...SLEEP], async (id) => {
      const ports = (await ok(b, "port", id)).split("\n").map((line) => line.split(" ")[0]);
      expect([...new Set(ports)]).toEqual(["7000/udp", "7001/udp", "7002/udp"]);
    });
  },
  ip: (b) =>
    onNetwork(b, async (network) => {
      const flags = ["--network", network, "--ip", "10.77.0.9"];
      expect(await ok(b, "run", "--rm", ...flags, "busybox", "ip", "-4", "addr")).toContain(" 10.77.0.9/24 ");
    }),
  "network-alias": (b) =>
    onNetwork(b, async (network) => {
      const flags = ["--network", network, "--ip", "10.77.0.9", "--network-alias", "other-name"];
      await running(b, [...flags, ...SLEEP], async () => {
        const asked = await ok(b, "run", "--rm", "--network", network, "busybox", "ping", "-c", "1", "other-name");
        expect(asked).toContain("PING other-name (10.77.0.9)");
      });
    }),
};

/** Flags whose effect takes more than one command to be seen, by name. */
export const EFFECTS: Record<string, Effect> = { ...HEALTH, ...LIFE, ...NETWORK };
