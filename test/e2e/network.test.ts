import { afterAll, beforeAll, expect, test } from "bun:test";
import { run } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  // An address of the host that is not loopback, on a link of the test's own.
  await run(daemon.inNet("ip", "link", "add", "host0", "type", "bridge"));
  await run(daemon.inNet("ip", "addr", "add", "198.51.100.1/24", "dev", "host0"));
  await run(daemon.inNet("ip", "link", "set", "host0", "up"));
});
afterAll(() => daemon[Symbol.asyncDispose]());

const page = (name: string): string[] => [
  "sh",
  "-c",
  `mkdir /w; echo ${name} >/w/index.html; exec httpd -f -p 80 -h /w`,
];

async function get(url: string): Promise<string> {
  for (let i = 0; i < 40; i++) {
    const done = await run(daemon.inNet("timeout", "1", "busybox", "wget", "-q", "-O", "-", url));
    if (done.code === 0) return done.stdout.trim();
    await Bun.sleep(50);
  }
  return "no answer";
}

test("a published port answers on localhost, on the host's own address, and to other containers", async () => {
  await daemon.ok("run", "-d", "--name", "web", "-p", "8080:80", "busybox", ...page("web"));
  expect(await get("http://127.0.0.1:8080/")).toBe("web");
  expect(await get("http://198.51.100.1:8080/")).toBe("web");
  const ip = await daemon.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web");
  expect(await daemon.ok("run", "--rm", "busybox", "wget", "-q", "-O", "-", `http://${ip}/`)).toBe("web");
  expect(await daemon.ok("run", "--rm", "busybox", "wget", "-q", "-O", "-", "http://198.51.100.1:8080/")).toBe("web");
  expect(await daemon.ok("port", "web")).toContain("80/tcp -> 0.0.0.0:8080");
});

test("a taken port is a clear error, and the container can be started on another", async () => {
  const done = await daemon.berth("run", "-d", "--name", "second", "-p", "8080:80", "busybox", ...page("second"));
  expect(done.code).toBe(125);
  expect(done.stderr).toContain("8080");
  expect(done.stderr).toContain("port is already allocated");
  expect(await daemon.ok("inspect", "-f", "{{.State.Status}}", "second")).toBe("created");
  await daemon.ok("rm", "second");
  expect(await get("http://127.0.0.1:8080/")).toBe("web");
});

test("a port that another program of the host has is refused too", async () => {
  const listener = "require('net').createServer().listen(8099, '127.0.0.1')";
  const server = Bun.spawn(daemon.inNet(process.execPath, "-e", listener), { stdout: "ignore", stderr: "ignore" });
  while (!(await run(daemon.inNet("cat", "/proc/net/tcp"))).stdout.includes(":1FA3 ")) await Bun.sleep(20);
  const done = await daemon.berth("run", "--rm", "-p", "8099:80", "busybox", "true");
  server.kill("SIGKILL");
  await server.exited;
  expect(done.code).toBe(125);
  expect(done.stderr).toMatch(/8099.*(address already in use|already allocated)/);
});

test("random ports, ranges, one address, udp", async () => {
  await daemon.ok("run", "-d", "--name", "random", "-p", "80", "busybox", ...page("random"));
  const bound = /:(\d+)$/.exec(await daemon.ok("port", "random", "80"))?.[1];
  expect(Number(bound)).toBeGreaterThan(30_000);
  expect(await get(`http://127.0.0.1:${bound}/`)).toBe("random");
  await daemon.ok("run", "-d", "--name", "one", "-p", "198.51.100.1:8081:80", "busybox", ...page("one"));
  expect(await get("http://198.51.100.1:8081/")).toBe("one");
  expect(
    (await run(daemon.inNet("timeout", "1", "busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8081/"))).code,
  ).not.toBe(0);
  await daemon.ok("run", "-d", "--name", "udp", "-p", "9053:53/udp", "busybox", "sleep", "1000");
  expect(await daemon.ok("port", "udp")).toContain("53/udp -> 0.0.0.0:9053");
  await daemon.ok("rm", "-f", "random", "one", "udp");
});

test("host and none", async () => {
  expect(await daemon.ok("run", "--rm", "--network", "host", "busybox", "ip", "-o", "addr", "show", "host0")).toContain(
    "198.51.100.1",
  );
  expect(await daemon.ok("run", "--rm", "--network", "none", "busybox", "sh", "-c", "ls /sys/class/net")).toBe("lo");
});

test("hosts, hostname and resolv.conf are the container's own", async () => {
  const out = await daemon.ok(
    "run",
    "--rm",
    "-h",
    "box",
    "--add-host",
    "other:10.9.8.7",
    "--dns",
    "192.0.2.53",
    "busybox",
    "cat",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
  );
  expect(out).toMatch(/^127\.0\.0\.1\tlocalhost/);
  expect(out).toMatch(/^10\.9\.8\.7\tother$/m);
  expect(out).toMatch(/^[\d.]+\tbox$/m);
  expect(out).toMatch(/^box$/m);
  expect(out).toContain("nameserver 192.0.2.53");
});

test("an unpublished port is not reachable from another host", async () => {
  await run(["ip", "-batch", "-"], {
    input: `netns add ${daemon.name}-x\nlink add v0 netns ${daemon.name} type veth peer name v1 netns ${daemon.name}-x\n`,
  });
  try {
    await run(daemon.inNet("sh", "-c", "ip addr add 203.0.113.1/24 dev v0; ip link set v0 up"));
    const ip = await daemon.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web");
    const outside = (...argv: string[]) => run(["nsenter", `--net=/run/netns/${daemon.name}-x`, "--", ...argv]);
    await outside(
      "sh",
      "-c",
      "ip addr add 203.0.113.2/24 dev v1; ip link set v1 up; ip route add default via 203.0.113.1",
    );
    expect((await outside("timeout", "2", "busybox", "wget", "-q", "-O", "-", "http://203.0.113.1:8080/")).stdout).toBe(
      "web\n",
    );
    expect((await outside("timeout", "1", "busybox", "wget", "-q", "-O", "-", `http://${ip}/`)).code).not.toBe(0);
  } finally {
    await run(["ip", "netns", "del", `${daemon.name}-x`]);
  }
});

test("rm frees the port at once", async () => {
  await daemon.ok("rm", "-f", "web");
  await daemon.ok("run", "-d", "--name", "web", "-p", "8080:80", "busybox", ...page("new"));
  expect(await get("http://127.0.0.1:8080/")).toBe("new");
  await daemon.ok("rm", "-f", "web");
});
