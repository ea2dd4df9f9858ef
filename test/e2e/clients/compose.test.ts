import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type RunOutcome, run } from "../../../src/host/spawn.ts";
import { TestDaemon } from "../../../src/testing/daemon.ts";

// An application of four services by both generations of compose: a database with a health check, a seed that runs once, a web server, three workers.

const ROOT = join(import.meta.dir, "../../..");
const COMPOSE_2 = join(ROOT, ".build/compose/usr/libexec/docker/cli-plugins/docker-compose");
const LIMIT = 300_000;

describe.each([
  ["docker-compose 1.29", "docker-compose", "_"],
  ["compose 2", COMPOSE_2, "-"],
])("%s", (_, program, dash) => {
  let daemon: TestDaemon;
  let folder = "";

  beforeAll(async () => {
    daemon = await TestDaemon.start();
    folder = mkdtempSync("/var/tmp/berth-compose.");
    cpSync(join(ROOT, "test/clients/compose.yml"), join(folder, "docker-compose.yml"));
    cpSync(join(ROOT, "test/clients/context"), join(folder, "context"), { recursive: true });
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await daemon[Symbol.asyncDispose]();
  });

  function compose(...args: string[]): Promise<RunOutcome> {
    const env = {
      PATH: process.env["PATH"] ?? "",
      HOME: folder,
      DOCKER_HOST: `unix://${daemon.socket}`,
      DOCKER_BUILDKIT: "0",
      COMPOSE_DOCKER_CLI_BUILD: "0",
    };
    const argv = [
      program,
      "-p",
      "app",
      "--project-directory",
      folder,
      "-f",
      join(folder, "docker-compose.yml"),
      ...args,
    ];
    return run(daemon.inNet(...argv), { env });
  }

  async function ok(...args: string[]): Promise<string> {
    const done = await compose(...args);
    expect(`${args.join(" ")}: ${done.code} ${done.code === 0 ? "" : done.stdout + done.stderr}`).toBe(
      `${args.join(" ")}: 0 `,
    );
    return done.stdout;
  }

  const names = (status: string): Promise<string> =>
    daemon.ok(
      "ps",
      "-a",
      "--filter",
      `status=${status}`,
      "--filter",
      "label=com.docker.compose.project=app",
      "--format",
      "{{.Names}}",
    );
  const count = async (service: string): Promise<number> =>
    (await names("running")).split("\n").filter((n) => n.startsWith(`app${dash}${service}`)).length;

  test(
    "up in order",
    async () => {
      await ok("up", "-d", "--build");
      expect(await count("db")).toBe(1);
      expect(await count("web")).toBe(1);
      expect(await count("worker")).toBe(3);
      expect(await daemon.ok("wait", `app${dash}seed${dash}1`)).toBe("0");
      expect(await daemon.ok("logs", `app${dash}seed${dash}1`)).toBe("data");
      const started = async (name: string): Promise<string> =>
        daemon.ok("inspect", "-f", "{{.State.StartedAt}}", `app${dash}${name}${dash}1`);
      expect((await started("db")) < (await started("seed"))).toBe(true);
    },
    LIMIT,
  );

  test(
    "ps, logs, exec, port, run, top",
    async () => {
      expect(await ok("ps")).toContain(`app${dash}web${dash}1`);
      let logs = "";
      while ((logs.match(/working/g) ?? []).length < 3) logs = await ok("logs", "--no-color", "worker");
      expect(await ok("exec", "-T", "web", "sh", "-c", "cat /file; echo $MODE")).toBe("content\ntest\n");
      expect((await compose("exec", "-T", "web", "sh", "-c", "exit 9")).code).toBe(9);
      const port = (await ok("port", "web", "8080")).trim();
      expect(port).toMatch(/^127\.0\.0\.1:\d+$/);
      expect((await run(daemon.inNet("curl", "-s", `http://${port}/`))).stdout).toBe("web\n");
      expect(await ok("run", "--rm", "-T", "worker", "echo", "ran once")).toContain("ran once");
      expect(await ok("top", "db")).toContain("httpd");
      expect(await ok("images")).toContain("compose-web");
    },
    LIMIT,
  );

  test(
    "scale up and down, restart, pause, stop and start",
    async () => {
      await ok("up", "-d", "--scale", "worker=5", "--no-recreate");
      expect(await count("worker")).toBe(5);
      await ok("up", "-d", "--scale", "worker=2", "--no-recreate");
      expect(await count("worker")).toBe(2);
      await ok("restart", "-t", "0", "web");
      expect(await count("web")).toBe(1);
      await ok("pause", "db");
      await ok("unpause", "db");
      await ok("kill", "worker");
      expect(await count("worker")).toBe(0);
      await ok("stop", "-t", "0");
      expect(await names("running")).toBe("");
      await ok("start");
      expect(await count("web")).toBe(1);
    },
    LIMIT,
  );

  test(
    "a changed service is made anew, the others stay",
    async () => {
      const before = await daemon.ok("inspect", "-f", "{{.Id}}", `app${dash}db${dash}1`);
      await ok("up", "-d", "--force-recreate", "--no-deps", "web");
      expect(await daemon.ok("inspect", "-f", "{{.Id}}", `app${dash}db${dash}1`)).toBe(before);
    },
    LIMIT,
  );

  test(
    "down leaves nothing",
    async () => {
      await ok("down", "-v", "-t", "0", "--remove-orphans");
      expect(await daemon.ok("ps", "-aq")).toBe("");
      expect(await daemon.ok("volume", "ls", "-q")).toBe("");
      expect((await daemon.ok("network", "ls", "--format", "{{.Name}}")).split("\n").sort()).toEqual([
        "bridge",
        "host",
        "none",
      ]);
    },
    LIMIT,
  );
});
