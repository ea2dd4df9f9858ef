import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run, runOk } from "../../../src/host/spawn.ts";
import { TestDaemon } from "../../../src/testing/daemon.ts";
import { makeServices } from "./images.ts";

// The application of the tutorials: a web program beside the postgres that it writes into and reads, reached from the host; linked, on a
// network, and by both generations of compose; its volume backed up and restored into another. All of it once more with IPv6 alone.
setDefaultTimeout(300_000);

const COMPOSE_2 = join(import.meta.dir, "../../../.build/compose/usr/libexec/docker/cli-plugins/docker-compose");
const OUTSIDE = { 4: "192.0.2.7", 6: "[2001:db8:77::1]" } as const;
const LOCAL = { 4: "127.0.0.1", 6: "[::1]" } as const;
const OTHER = { 4: 6, 6: 4 } as const;
const DATA = "/var/lib/postgresql/data";
const PASSWORD = ["-e", "POSTGRES_PASSWORD=secret"];
const PUBLISHED = ["-p", "8000:8000", ...PASSWORD];
type Family = 4 | 6;

let daemon: TestDaemon;
let folder = "";
beforeAll(async () => {
  folder = mkdtempSync("/var/tmp/berth-application.");
  daemon = await TestDaemon.start();
  await runOk(daemon.inNet("ip", "address", "add", `${OUTSIDE[4]}/24`, "dev", "lo"));
  await runOk(daemon.inNet("ip", "address", "add", "2001:db8:77::1/64", "dev", "lo", "nodad"));
  await makeServices(daemon);
});
afterEach(async () => {
  const ids = (await daemon.ok("ps", "-aq")).split("\n").filter(Boolean);
  if (ids.length > 0) await daemon.ok("rm", "-f", "-v", ...ids);
  await daemon.ok("volume", "prune", "-a", "-f");
  await daemon.ok("network", "prune", "-f");
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await daemon[Symbol.asyncDispose]();
});

/** By one command line for each family. */
let by: "docker" | "berth" = "docker";
async function docker(...args: string[]): Promise<string> {
  const done = await daemon[by](...args);
  if (done.code !== 0) throw new Error(`${by} ${args.join(" ")}: ${done.stderr}${daemon.log}`);
  return done.stdout.trim();
}

/** What the web program answers at an address of the host; asks again while it, or the database, is coming up. */
async function web(at: string, ...post: string[]): Promise<string> {
  const argv = ["curl", "-sf", "-m", "20", "--noproxy", "*", ...post, `http://${at}:8000/`];
  for (let tries = 0; ; tries++) {
    const { code, stdout, stderr } = await run(daemon.inNet(...argv));
    if (code === 0) return stdout.trim();
    if (tries === 400) throw new Error(`${argv.join(" ")}: ${code} ${stderr} ${await daemon.ok("ps", "-a")}`);
    await Bun.sleep(50);
  }
}

const sign = async (family: Family, line: string): Promise<void> =>
  expect(await web(LOCAL[family], "-d", line)).toBe("written");

/** The guests' lines by both addresses of the host, and nobody at the other family's. */
async function expectGuests(family: Family, ...lines: string[]): Promise<void> {
  for (const at of [LOCAL[family], OUTSIDE[family]]) expect(await web(at)).toBe(lines.join("\n"));
  const other = OUTSIDE[OTHER[family]];
  const { code } = await run(daemon.inNet("curl", "-s", "-m", "5", "--noproxy", "*", `http://${other}:8000/`));
  expect(code).toBe(7);
}

/** The families of the addresses that `db` has for a container, by its own resolver. */
async function familiesOfDb(container: string): Promise<string[]> {
  const script = "import socket; print(*sorted({str(a[0].name) for a in socket.getaddrinfo('db', 5432)}))";
  return (await docker("exec", container, "python3", "-c", script)).split(" ");
}

/** A volume's files into an archive on the host, and from there into another volume, as the tutorials do it. */
async function copyVolume(from: string[], to: string[]): Promise<void> {
  const backup = ["-v", `${folder}:/backup`];
  expect(
    await docker("run", "--rm", ...from, ...backup, "busybox", "tar", "cvf", "/backup/backup.tar", DATA),
  ).toContain("PG_VERSION");
  await docker("run", "--rm", ...to, ...backup, "busybox", "tar", "xf", "/backup/backup.tar");
}

describe.each([4, 6] as const)("IPv%d", (family) => {
  const AF = `AF_INET${family === 6 ? "6" : ""}`;
  const net = family === 6 ? ["--ipv6", "--ipv4=false"] : [];
  beforeAll(() => {
    by = family === 6 ? "berth" : "docker";
  });

  test("linked, its volume backed up and restored, in the tutorials' words", async () => {
    // On the default bridge, which is IPv4's; a link on a network of one's own is a name there, without variables.
    if (family === 6) await docker("network", "create", ...net, "six");
    const on = family === 6 ? ["--network", "six"] : [];
    await docker("run", "-d", "--name", "db-1", ...on, ...PASSWORD, "app-db");
    await docker("run", "-d", "--name", "web", ...on, "--link", "db-1:db", ...PUBLISHED, "app-web");
    await sign(family, "ada");
    await expectGuests(family, "ada");
    expect(await familiesOfDb("web")).toEqual([AF]);
    const env = await docker("exec", "web", "env");
    const hosts = await docker("exec", "web", "cat", "/etc/hosts");
    if (family === 4) {
      const address = await docker("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "db-1");
      expect(env.split("\n")).toContain(`DB_PORT_5432_TCP=tcp://${address}:5432`);
      expect(hosts).toContain(`${address}\tdb `);
      // By the variable, as programs of then did it.
      await docker("rm", "-f", "web");
      const program = ["sh", "-c", "DB_HOST=$DB_PORT_5432_TCP_ADDR exec python3 /opt/app.py"];
      await docker("run", "-d", "--name", "web", "--link", "db-1:db", ...PUBLISHED, "app-web", ...program);
      await expectGuests(family, "ada");
    } else {
      expect([env, hosts].join("\n")).not.toContain("5432");
    }

    await docker("stop", "db-1");
    await docker("run", "-v", DATA, "--name", "dbdata2", "busybox", "true");
    await copyVolume(["--volumes-from", "db-1"], ["--volumes-from", "dbdata2"]);
    await docker("rm", "-f", "-v", "web", "db-1");
    await docker("run", "-d", "--name", "db-2", ...on, "--volumes-from", "dbdata2", ...PASSWORD, "app-db");
    await docker("run", "-d", "--name", "web", ...on, "--link", "db-2:db", ...PUBLISHED, "app-web");
    await expectGuests(family, "ada");
    await sign(family, "grace");
    await expectGuests(family, "ada", "grace");
  });

  test("on a network, its database made anew and moved into another volume", async () => {
    await docker("network", "create", ...net, "app");
    const db = (volume: string): Promise<string> =>
      docker("run", "-d", "--name", "db", "--network", "app", "-v", `${volume}:${DATA}`, ...PASSWORD, "app-db");
    await db("guests");
    await docker("run", "-d", "--name", "web", "--network", "app", ...PUBLISHED, "app-web");
    await sign(family, "ada");
    expect(await familiesOfDb("web")).toEqual([AF]);
    await docker("rm", "-f", "db");
    // Somebody else gets its address.
    await docker("run", "-d", "--network", "app", "busybox", "sleep", "1000");
    await db("guests");
    await expectGuests(family, "ada");
    await docker("stop", "db");
    await copyVolume(["-v", `guests:${DATA}`], ["-v", `moved:${DATA}`]);
    await docker("rm", "db");
    await docker("volume", "rm", "guests");
    await db("moved");
    await expectGuests(family, "ada");
  });

  test.each([
    ["docker-compose 1.29", "docker-compose"],
    ["compose 2", COMPOSE_2],
  ])("as a file by %s", async (_, program) => {
    const files = ["compose.yml", ...(family === 6 ? ["compose.six.yml"] : [])];
    const chosen = files.flatMap((file) => ["-f", join(import.meta.dir, file)]);
    const compose = async (...args: string[]): Promise<string> => {
      const env = { PATH: process.env["PATH"] ?? "", HOME: folder, DOCKER_HOST: `unix://${daemon.socket}` };
      const done = await run(daemon.inNet(program, "-p", "app", ...chosen, ...args), { env });
      if (done.code !== 0) throw new Error(`compose ${args.join(" ")}: ${done.stdout}${done.stderr}${daemon.log}`);
      return done.stdout.trim();
    };
    await compose("up", "-d");
    await sign(family, "ada");
    await expectGuests(family, "ada");
    expect(await familiesOfDb(await docker("ps", "-q", "-f", "label=com.docker.compose.service=web"))).toEqual([AF]);
    if (family === 4 && program === COMPOSE_2) {
      await compose("down", "-t", "0");
      expect(await docker("volume", "ls", "-q")).toBe("app_guests");
      await compose("up", "-d");
      await expectGuests(family, "ada");
    }
    await compose("down", "-t", "0", "-v");
    expect(await docker("volume", "ls", "-q")).toBe("");
  });
});
