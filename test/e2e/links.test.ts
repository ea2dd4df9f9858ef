import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { TestDaemon } from "../../src/testing/daemon.ts";

// `--link` on the default bridge, in docker's words: a link is bound to a container, not to its name.
setDefaultTimeout(300_000);

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterEach(async () => {
  const ids = (await daemon.ok("ps", "-aq")).split("\n").filter(Boolean);
  if (ids.length > 0) await daemon.ok("rm", "-f", ...ids);
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
});

const SLEEP = ["busybox", "sleep", "1000"];
const links = (name: string): Promise<string> => daemon.ok("inspect", "-f", "{{json .HostConfig.Links}}", name);
const names = (): Promise<string> =>
  daemon.ok("ps", "-a", "--no-trunc", "--format", "{{.Names}}", "--filter", "name=db");
const hosts = (name: string): Promise<string> => daemon.ok("exec", name, "cat", "/etc/hosts");
const address = (name: string): Promise<string> =>
  daemon.ok("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", name);

/** A container `db`, and `web` that links to it as `data`. */
async function pair(): Promise<void> {
  await daemon.ok("run", "-d", "--name", "db", ...SLEEP);
  await daemon.ok("run", "-d", "--name", "web", "--link", "db:data", ...SLEEP);
}

async function refused(...args: string[]): Promise<string> {
  const done = await daemon.docker(...args);
  expect(done.code).not.toBe(0);
  return done.stderr;
}

test("a link is shown with the names of now, and follows a container over renames", async () => {
  await pair();
  expect(await links("web")).toBe('["/db:/web/data"]');
  expect(await names()).toBe("db,web/data");
  await daemon.ok("rename", "db", "other-db");
  await daemon.ok("rename", "web", "front");
  expect(await links("front")).toBe('["/other-db:/front/data"]');
  expect(await names()).toBe("other-db,front/data");
  // Whoever has the old name now is not meant.
  await daemon.ok("run", "-d", "--name", "db", ...SLEEP);
  await daemon.ok("restart", "-t", "0", "front");
  expect(await hosts("front")).toContain(`${await address("other-db")}\tdata `);
});

test("aliases: the container's own name without one, the first of each, none that is empty", async () => {
  await daemon.ok("run", "-d", "--name", "db", ...SLEEP);
  const made = ["create", "--name", "web", "--link", "db", "--link", "db:x", "--link", "db:x", "--link", "db:/y"];
  await daemon.ok(...made, "--link", "db:", ...SLEEP);
  expect(await links("web")).toBe('["/db:/web/db","/db:/web/x","/db:/web/y"]');
});

test("what it links to has to run, and to be there, at each start", async () => {
  await pair();
  await daemon.ok("stop", "-t", "0", "db");
  const words = "Cannot link to a non running container: /db AS /web/data";
  expect(await refused("restart", "-t", "0", "web")).toContain(words);
  await daemon.ok("rm", "db");
  expect(await links("web")).toBe('["/db:/web/data"]');
  await daemon.ok("run", "-d", "--name", "db", ...SLEEP);
  expect(await refused("start", "web")).toContain(words);
});

test.each(["docker", "berth"] as const)("rm --link by %s takes the link alone, for good", async (cli) => {
  await pair();
  expect(await hosts("web")).toContain("data");
  expect((await daemon[cli]("rm", "--link", "web/data")).stdout).toBe("web/data\n");
  expect(await hosts("web")).not.toContain("data");
  await daemon.crash();
  await daemon.up();
  expect(await links("web")).not.toContain("data");
  expect(await names()).toBe("db");
  await daemon.ok("rm", "-f", "db");
  await daemon.ok("restart", "-t", "0", "web");
});

test("variables of a link, in an exec too; the container's own count more; an exec works when the other has ended", async () => {
  await daemon.ok("run", "-d", "--name", "db", "--expose", "5432", "-e", "MODE=fast", ...SLEEP);
  await daemon.ok("run", "-d", "--name", "web", "--link", "db:data", "-e", "DATA_NAME=mine", ...SLEEP);
  const port = `tcp://${await address("db")}:5432`;
  const wanted = [`DATA_PORT=${port}`, `DATA_PORT_5432_TCP=${port}`, "DATA_ENV_MODE=fast", "DATA_NAME=mine"];
  for (const script of ["tr '\\0' '\\n' </proc/1/environ", "env"]) {
    const env = (await daemon.ok("exec", "web", "sh", "-c", script)).split("\n");
    expect(env).toEqual(expect.arrayContaining(wanted));
    expect(env.filter((line) => line.startsWith("DATA_NAME="))).toHaveLength(1);
  }
  await daemon.ok("kill", "db");
  expect(await daemon.ok("exec", "web", "env")).toContain("DATA_NAME=mine");
});

test("rm --link in Docker's words", async () => {
  await pair();
  const missing = ["web/nothing", "db/data", "nobody/data", "nobody"];
  for (const name of missing) expect(await refused("rm", "--link", name)).toContain(`No such container: ${name}`);
  expect(await refused("rm", "--link", "web")).toContain(
    "Conflict, cannot remove the default link name of the container",
  );
  expect(await links("web")).toBe('["/db:/web/data"]');
});

test("networks that are shared, the host's and others", async () => {
  await daemon.ok("run", "-d", "--name", "db", ...SLEEP);
  await daemon.ok("run", "-d", "--name", "guest", "--network", "container:db", ...SLEEP);
  await daemon.ok("run", "-d", "--name", "web", "--link", "guest:data", ...SLEEP);
  expect(await links("web")).toBe('["/db:/web/data"]');
  expect(await hosts("web")).toContain(`${await address("db")}\tdata `);
  await daemon.ok("run", "-d", "--name", "on-host", "--network", "host", ...SLEEP);
  const conflict = "conflicting options: host type networking can't be used with links";
  expect(await refused("create", "--link", "on-host:x", ...SLEEP)).toContain(conflict);
  expect(await refused("create", "--network", "host", "--link", "db:x", ...SLEEP)).toContain(conflict);
  await daemon.ok("network", "create", "--subnet", "10.78.0.0/24", "elsewhere");
  const id = await daemon.ok("run", "-d", "--name", "far", "--network", "elsewhere", ...SLEEP);
  expect(await refused("run", "--link", "far:x", ...SLEEP)).toContain(
    `container ${id} not attached to default bridge network`,
  );
  await daemon.ok("rm", "-f", "far");
  await daemon.ok("network", "rm", "elsewhere");
});
