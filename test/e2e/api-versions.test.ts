import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RunOutcome, run } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";

// Clients of other years: the docker command line held to an older version of the API does its daily work.

let daemon: TestDaemon;
let folder = "";

beforeAll(async () => {
  daemon = await TestDaemon.start();
  folder = mkdtempSync("/var/tmp/berth-versions.");
  writeFileSync(
    join(folder, "Dockerfile"),
    "FROM busybox\nARG WHO=you\nRUN echo $WHO >/who\nCOPY file /file\nCMD cat /who\n",
  );
  writeFileSync(join(folder, "file"), "content\n");
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await daemon[Symbol.asyncDispose]();
});

test.each(["1.24", "1.30", "1.38", "1.40", "1.44", "1.51"])(
  "API %s: run, ps, logs, exec, cp, build, inspect, events",
  async (version) => {
    const docker = (...args: string[]): Promise<RunOutcome> => {
      const env = {
        PATH: process.env["PATH"] ?? "",
        DOCKER_API_VERSION: version,
        DOCKER_BUILDKIT: "0",
        HOME: "/nonexistent",
        DOCKER_CONFIG: "/nonexistent",
      };
      return run([DOCKER, "-H", `unix://${daemon.socket}`, ...args], { env });
    };
    const ok = async (...args: string[]): Promise<string> => {
      const done = await docker(...args);
      expect(`${args.join(" ")}: ${done.code} ${done.code === 0 ? "" : done.stderr}`).toBe(`${args.join(" ")}: 0 `);
      return done.stdout.trim();
    };
    const begin = (Date.now() / 1000).toFixed(3);
    expect(await ok("version", "--format", "{{.Client.APIVersion}}")).toBe(version);
    expect(await ok("run", "--rm", "-e", "A=b", "busybox", "sh", "-c", "echo $A")).toBe("b");
    expect((await docker("run", "--rm", "busybox", "sh", "-c", "exit 7")).code).toBe(7);
    const id = await ok(
      "run",
      "-d",
      "--name",
      "old",
      "-p",
      "80",
      "-v",
      "/anonymous",
      "busybox",
      "sh",
      "-c",
      "echo logged; echo bad >&2; sleep 1000",
    );
    expect(await ok("ps", "--format", "{{.Names}} {{.Image}} {{.State}}")).toMatch(/^old busybox/);
    expect(await ok("ps", "-aq", "--no-trunc", "-f", "status=running")).toBe(id);
    while ((await ok("logs", "old")) !== "logged");
    expect((await docker("logs", "old")).stderr).toBe("bad\n");
    expect(await ok("exec", "old", "cat", "/proc/1/comm")).toBe("sleep");
    expect((await docker("exec", "old", "sh", "-c", "exit 5")).code).toBe(5);
    await ok("cp", join(folder, "file"), "old:/copied");
    expect(await ok("exec", "old", "cat", "/copied")).toBe("content");
    await ok("cp", "old:/copied", join(folder, "back"));
    expect(readFileSync(join(folder, "back"), "utf8")).toBe("content\n");
    expect(
      await ok(
        "inspect",
        "-f",
        "{{.State.Status}} {{.Config.Image}} {{len .Mounts}} {{.HostConfig.NetworkMode}}",
        "old",
      ),
    ).toMatch(/^running busybox 1 (bridge|default)$/);
    expect(await ok("port", "old", "80")).toMatch(/0\.0\.0\.0:\d+/);
    expect(await ok("top", "old")).toContain("sleep 1000");
    expect(await ok("diff", "old")).toContain("A /copied");
    expect(await ok("stats", "--no-stream", "--format", "{{.Name}}", "old")).toBe("old");
    const built = await ok("build", "-t", `old:${version}`, "--build-arg", "WHO=me", folder);
    expect(built).toContain(`Successfully tagged old:${version}`);
    expect(await ok("run", "--rm", `old:${version}`)).toBe("me");
    expect(await ok("images", "--format", "{{.Repository}}:{{.Tag}}", "old")).toContain(`old:${version}`);
    expect(await ok("history", "-q", `old:${version}`)).toMatch(/^[0-9a-f]{12}/);
    await ok("network", "create", "oldnet");
    await ok("network", "connect", "oldnet", "old");
    expect(await ok("network", "inspect", "-f", "{{range .Containers}}{{.Name}}{{end}}", "oldnet")).toBe("old");
    await ok("network", "disconnect", "oldnet", "old");
    await ok("network", "rm", "oldnet");
    await ok("volume", "create", "oldvol");
    await ok("volume", "rm", "oldvol");
    await ok("commit", "-m", "words", "old", "old:committed");
    await ok("stop", "-t", "0", "old");
    await ok("start", "old");
    await ok("kill", "old");
    expect(await ok("wait", "old")).toBe("137");
    await ok("rm", "-v", "old");
    await ok("rmi", `old:${version}`, "old:committed");
    const events = await ok(
      "events",
      "--since",
      begin,
      "--until",
      (Date.now() / 1000 + 0.1).toFixed(3),
      "--format",
      "{{.Type}} {{.Action}}",
    );
    for (const event of [
      "container create",
      "container die",
      "network connect",
      "volume create",
      "image tag",
      "container destroy",
    ])
      expect(events).toContain(event);
    if (version !== "1.24") expect(await ok("system", "df", "--format", "{{.Type}}")).toContain("Images");
    expect(await ok("info", "--format", "{{.OSType}}")).toBe("linux");
  },
  300_000,
);

test("versions beyond both ends are refused in Docker's words", async () => {
  for (const [version, words] of [
    [
      "1.23",
      "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
    ],
    ["1.99", "client version 1.99 is too new. Maximum supported API version is 1.51"],
  ]) {
    const answer = await fetch(`http://berth/v${version}/info`, { unix: daemon.socket });
    expect(await answer.json()).toEqual({ message: words });
    expect(answer.status).toBe(400);
  }
});
