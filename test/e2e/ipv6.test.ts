import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { run, runOk } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// IPv6 with real traffic: names, and published ports from the host by each of its addresses, from other containers, over the daemon's death.

const OUTSIDE = "2001:db8:77::1";
const LIMIT = 300_000;

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  await runOk(daemon.inNet("ip", "-6", "addr", "add", `${OUTSIDE}/64`, "dev", "lo", "nodad"));
  await daemon.ok("network", "create", "--ipv6", "--subnet", "10.77.0.0/24", "--subnet", "fd77::/64", "dual");
  await daemon.ok("network", "create", "--ipv6", "--ipv4=false", "--subnet", "fd78::/64", "six");
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** A web server whose page is its name. */
const SERVE = 'mkdir /w; echo "$0" >/w/index.html; exec httpd -f -p 80 -h /w';
const web = (name: string, ...flags: string[]): Promise<string> =>
  daemon.ok("run", "-d", "--name", name, ...flags, "busybox", "sh", "-c", SERVE, name);

/** The page at an address of the host, from the host; "" where nobody answers. Asks again while the server comes up. */
async function page(at: string, tries = 50): Promise<string> {
  for (let i = 0; i < tries; i++) {
    const { code, stdout } = await run(daemon.inNet("curl", "-s", "-m", "5", "--noproxy", "*", `http://${at}/`));
    if (code === 0) return stdout.trim();
  }
  return "";
}

const ports = (name: string): Promise<string> => daemon.ok("port", name);

describe("a container with both families", () => {
  beforeAll(async () => {
    await web("both", "--network", "dual", "-p", "8080:80", "-p", "[::1]:8081:80", "-p", "127.0.0.1:8082:80");
  }, LIMIT);
  afterAll(() => daemon.ok("rm", "-f", "both"));

  test("is shown with both, by both command lines", async () => {
    expect((await ports("both")).split("\n").sort()).toEqual(
      ["80/tcp -> 0.0.0.0:8080", "80/tcp -> 127.0.0.1:8082", "80/tcp -> [::1]:8081", "80/tcp -> [::]:8080"].sort(),
    );
    const { stdout } = await daemon.docker("ps", "--filter", "name=both", "--format", "{{.Ports}}");
    expect(stdout.trim().split(", ").sort()).toEqual(
      ["0.0.0.0:8080->80/tcp", "127.0.0.1:8082->80/tcp", "[::1]:8081->80/tcp", "[::]:8080->80/tcp"].sort(),
    );
  });

  test.each([
    ["127.0.0.1:8080", "both"],
    ["[::1]:8080", "both"],
    [`[${OUTSIDE}]:8080`, "both"],
    ["[fd77::1]:8080", "both"],
    ["[::1]:8081", "both"],
    [`[${OUTSIDE}]:8081`, ""],
    ["127.0.0.1:8082", "both"],
    ["[::1]:8082", ""],
  ])("from the host, http://%s/ is %j", async (at, wanted) => {
    expect(await page(at, wanted === "" ? 1 : 50)).toBe(wanted);
  });

  test("from a container of its network, by the host's address, and by itself", async () => {
    const fetch = `timeout 10 wget -q -O - http://[${OUTSIDE}]:8080/`;
    expect(await daemon.ok("run", "--rm", "--network", "dual", "busybox", "sh", "-c", fetch)).toBe("both");
    expect(await daemon.ok("exec", "both", "sh", "-c", fetch)).toBe("both");
  });

  test("stays reachable while the daemon is killed and comes back", async () => {
    await daemon.crash();
    expect(await page(`[${OUTSIDE}]:8080`)).toBe("both");
    await daemon.up();
    for (const at of [`[${OUTSIDE}]:8080`, "[::1]:8080"]) expect(await page(at)).toBe("both");
    const taken = await daemon.berth("run", "-d", "--rm", "--network", "dual", "-p", "[::]:8080:80", "busybox", "true");
    expect(taken.stderr).toContain("Bind for [::]:8080 failed: port is already allocated");
  });
});

test(
  "a container with IPv6 alone: published on IPv6, bindings of IPv4 addresses are left out, and free again when it goes",
  async () => {
    await web("alone", "--network", "six", "-p", "8090:80", "-p", "127.0.0.1:8091:80");
    expect(await ports("alone")).toBe("80/tcp -> [::]:8090");
    expect(await page("[::1]:8090")).toBe("alone");
    expect(await page("127.0.0.1:8090", 1)).toBe("");
    await daemon.ok("rm", "-f", "alone");
    expect(await page("[::1]:8090", 1)).toBe("");
    await web("next", "--network", "six", "-p", "8090:80");
    expect(await page("[::1]:8090")).toBe("next");
    await daemon.ok("rm", "-f", "next");
  },
  LIMIT,
);

test(
  "names on a network with IPv6 alone: of containers, aliases, addresses, and renamed ones",
  async () => {
    await daemon.ok(
      "run",
      "-d",
      "--name",
      "six-a",
      "--network",
      "six",
      "--network-alias",
      "known",
      "busybox",
      "sleep",
      "1000",
    );
    await daemon.ok("run", "-d", "--name", "six-b", "--network", "six", "busybox", "sleep", "1000");
    const ask = (what: string): Promise<string> =>
      daemon.ok("exec", "six-b", "sh", "-c", `nslookup ${what} 2>&1 || true`);
    const address = await daemon.ok("inspect", "-f", "{{.NetworkSettings.Networks.six.GlobalIPv6Address}}", "six-a");
    expect(await daemon.ok("exec", "six-b", "cat", "/etc/resolv.conf")).toContain("nameserver 127.0.0.11\n");
    for (const name of ["six-a", "known", "six-a.six"])
      expect(await ask(`-type=AAAA ${name}`)).toContain(`Address: ${address}`);
    expect(await ask(address)).toContain("six-a.six");
    expect(await daemon.ok("exec", "six-b", "ping", "-c", "1", "six-a")).toContain("1 packets received");
    await daemon.ok("rename", "six-a", "six-c");
    expect(await ask("-type=AAAA six-c")).toContain(`Address: ${address}`);
    expect(await ask("-type=AAAA six-a")).not.toContain(address);
    await daemon.crash();
    await daemon.up();
    expect(await ask("-type=AAAA six-c")).toContain(`Address: ${address}`);
    await daemon.ok("rm", "-f", "six-c", "six-b");
  },
  LIMIT,
);

test(
  "a range and any free port have one number on both families",
  async () => {
    await web("range", "--network", "dual", "-p", "8100-8110:80", "-p", "81");
    const bound = (await ports("range")).split("\n").map((line) => line.split(" -> "));
    const of = (key: string): string[] =>
      bound.filter(([name]) => name === key).map(([, at = ""]) => at.replace(/^.*:/, ""));
    expect(of("80/tcp")).toEqual(["8100", "8100"]);
    expect(new Set(of("81/tcp")).size).toBe(1);
    await daemon.ok("rm", "-f", "range");
  },
  LIMIT,
);

const ECHO = `import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("::", 53)); print("ready", flush=True)
while True:
    data, peer = s.recvfrom(2000); s.sendto(sys.argv[1].encode() + b" " + data, peer)`;
const ASK = `import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(("::", 4545)); s.settimeout(20)
s.sendto(b"hi", (sys.argv[1], 5353)); print(s.recvfrom(2000)[0].decode())`;

test.each([OUTSIDE, "::1"])(
  "UDP to %s, for containers that take the port over from each other, by a client that goes on from the same port",
  async (address) => {
    for (const name of ["one", "two"]) {
      await daemon.ok(
        "run",
        "-d",
        "--name",
        name,
        "--network",
        "dual",
        "-p",
        "5353:53/udp",
        "busybox",
        "sleep",
        "1000",
      );
      const netns = await daemon.ok("inspect", "-f", "{{.NetworkSettings.SandboxKey}}", name);
      const server = Bun.spawn(["nsenter", `--net=${netns}`, "python3", "-c", ECHO, name], { stdout: "pipe" });
      await server.stdout.getReader().read();
      expect((await runOk(daemon.inNet("python3", "-c", ASK, address))).trim()).toBe(`${name} hi`);
      server.kill();
      await server.exited;
      await daemon.ok("rm", "-f", name);
    }
  },
  LIMIT,
);

test("on a network without IPv6 an IPv6 address is refused, and nothing is left", async () => {
  const { code, stderr } = await daemon.berth("run", "--rm", "-p", "[::1]:8120:80", "busybox", "true");
  expect(code).toBe(125);
  expect(stderr).toContain("cannot publish on ::1: the container has no IPv6 address there");
  expect(await daemon.ok("ps", "-aq")).toBe("");
});
