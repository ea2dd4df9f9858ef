import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { TestDaemon } from "../../src/testing/daemon.ts";

// `--pid`, `--ipc` and `--network container:X`, seen with the unmodified docker command line.

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "donor",
    "--ipc",
    "shareable",
    "--hostname",
    "given",
    "busybox",
    "sleep",
    "1000",
  );
  await daemon.ok("create", "--name", "stopped", "busybox", "true");
});
afterAll(() => daemon[Symbol.asyncDispose]());

const docker = async (...args: string[]): Promise<string> => {
  const done = await daemon.docker(...args);
  if (done.code !== 0) throw new Error(`docker ${args.join(" ")}: ${done.code}: ${done.stderr}`);
  return done.stdout.trim();
};
const idOf = (name: string): Promise<string> => daemon.ok("inspect", "-f", "{{.Id}}", name);
const inside = (name: string, ns: string): Promise<string> => docker("exec", name, "readlink", `/proc/1/ns/${ns}`);

test("--pid container:X: the other's processes are seen and process 1 is its", async () => {
  const seen = await docker("run", "--rm", "--pid", "container:donor", "busybox", "ps", "-o", "pid,args");
  expect(seen).toMatch(/^\s*1 sleep 1000$/m);
  expect(seen).toMatch(/ps -o pid,args/);
});

test("--network container:X: one namespace, one address, the other's name and files; ports of the two meet", async () => {
  const run = (...cmd: string[]): Promise<string> =>
    docker("run", "--rm", "--network", "container:donor", "busybox", ...cmd);
  expect(await run("readlink", "/proc/self/ns/net")).toBe(await inside("donor", "net"));
  expect(await run("hostname")).toBe("given");
  for (const file of ["hosts", "hostname", "resolv.conf"]) {
    expect(await run("cat", `/etc/${file}`)).toBe(await docker("exec", "donor", "cat", `/etc/${file}`));
  }
  await docker(
    "run",
    "-d",
    "--name",
    "server",
    "--network",
    "container:donor",
    "busybox",
    "nc",
    "-l",
    "-p",
    "7000",
    "-e",
    "echo",
    "hi",
  );
  let answer = "";
  while (answer === "") answer = await docker("exec", "donor", "sh", "-c", "nc 127.0.0.1 7000 </dev/null || true");
  expect(answer).toBe("hi");
  const shown = JSON.parse(await daemon.ok("inspect", "server"))[0];
  const donor = JSON.parse(await daemon.ok("inspect", "donor"))[0];
  expect(shown.HostConfig.NetworkMode).toBe(`container:${donor.Id}`);
  expect(shown.Config.Hostname).toBe("given");
  expect(shown.NetworkSettings.Networks).toEqual({});
  expect([shown.HostsPath, shown.HostnamePath, shown.ResolvConfPath]).toEqual([
    donor.HostsPath,
    donor.HostnamePath,
    donor.ResolvConfPath,
  ]);
  await docker("rm", "-f", "server");
  // What the donor publishes and where it is stays as it was.
  expect(await docker("exec", "donor", "hostname", "-i")).toBe(donor.NetworkSettings.IPAddress);
});

test("--ipc container:X: shared memory both ways, where the other is shareable", async () => {
  await docker("exec", "donor", "sh", "-c", "echo from donor >/dev/shm/note");
  const out = await docker(
    ...["run", "--rm", "--ipc", "container:donor", "busybox"],
    ...["sh", "-c", "cat /dev/shm/note; echo back >/dev/shm/back; readlink /proc/self/ns/ipc; stat -c %a /dev/shm"],
  );
  expect(out.split("\n")).toEqual(["from donor", await inside("donor", "ipc"), "1777"]);
  expect(await docker("exec", "donor", "cat", "/dev/shm/back")).toBe("back");
});

test("a chain of containers shares what the first one has; it can be left while one of them goes", async () => {
  await docker(
    "run",
    "-d",
    "--name",
    "middle",
    "--network",
    "container:donor",
    "--ipc",
    "container:donor",
    "busybox",
    "sleep",
    "1000",
  );
  const last = await docker(
    ...["run", "--rm", "--network", "container:middle", "--ipc", "container:middle", "busybox"],
    ...["sh", "-c", "hostname; readlink /proc/self/ns/net; ls /dev/shm"],
  );
  expect(last.split("\n").slice(0, 2)).toEqual(["given", await inside("donor", "net")]);
  expect(last).toContain("note");
  await docker("rm", "-f", "middle");
  expect(await docker("exec", "donor", "true")).toBe("");
});

test("sharing with a container on the host's network is the host's network, and changes nothing there", async () => {
  const setting = async (): Promise<string> =>
    (await Bun.$`${daemon.inNet("cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start")}`.text()).trim();
  const before = await setting();
  await docker("run", "-d", "--name", "onhost", "--network", "host", "busybox", "sleep", "1000");
  const net = await docker("run", "--rm", "--network", "container:onhost", "busybox", "readlink", "/proc/self/ns/net");
  expect(net).toBe(await inside("onhost", "net"));
  expect(await setting()).toBe(before);
  await docker("rm", "-f", "onhost");
});

test("a container that shares runs on under the next daemon and takes exec; one of a stopped donor does not start again", async () => {
  await docker("run", "-d", "--name", "front", "--ipc", "shareable", "busybox", "sleep", "1000");
  await docker(
    "run",
    "-d",
    "--name",
    "side",
    "--network",
    "container:front",
    "--pid",
    "container:front",
    "--ipc",
    "container:front",
    "busybox",
    "sleep",
    "2000",
  );
  await daemon.crash();
  await daemon.up();
  expect(await docker("exec", "side", "ps", "-o", "args")).toContain("sleep 1000");
  expect(await docker("exec", "side", "hostname")).toBe(await docker("exec", "front", "hostname"));
  await docker("stop", "-t", "0", "side");
  await docker("stop", "-t", "0", "front");
  const again = await daemon.docker("start", "side");
  expect(again.stderr).toContain("cannot join network namespace of a non running container: container front is exited");
  await docker("start", "front");
  await docker("start", "side");
  expect(await docker("exec", "side", "readlink", "/proc/self/ns/net")).toBe(await inside("front", "net"));
  await docker("rm", "-f", "side", "front");
});

test("a donor that is removed first leaves the others running, and nothing behind at the end", async () => {
  await docker("run", "-d", "--name", "first", "--ipc", "shareable", "busybox", "sleep", "1000");
  await docker(
    "run",
    "-d",
    "--name",
    "second",
    "--network",
    "container:first",
    "--ipc",
    "container:first",
    "busybox",
    "sleep",
    "1000",
  );
  await docker("rm", "-f", "first");
  expect(
    await docker("exec", "second", "sh", "-c", "cat /etc/hostname >/dev/null; echo x >/dev/shm/x; cat /dev/shm/x"),
  ).toBe("x");
  expect(await daemon.ok("inspect", "-f", "{{.State.Running}}", "second")).toBe("true");
  // The address is given to others again once it is no longer here.
  while ((await docker("exec", "second", "ip", "-o", "link")).includes("eth0")) await Bun.sleep(20);
  await docker("rm", "-f", "second");
  expect(existsSync(`${daemon.root}/run/shm`) ? readdirSync(`${daemon.root}/run/shm`) : []).toEqual([
    await idOf("donor"),
  ]);
});

const STOPPED = (id: string): string => `container ${id} is not running`;

test.each<[string[], (donor: string, stopped: string) => string]>([
  [["--pid", "container:stopped"], (_, s) => `failed to join PID namespace: ${STOPPED(s)}`],
  [["--ipc", "container:stopped"], (_, s) => `failed to join IPC namespace: ${STOPPED(s)}`],
  [
    ["--network", "container:stopped"],
    () => "cannot join network namespace of a non running container: container stopped is created",
  ],
  [["--network", "container:nosuch"], () => "joining network namespace of container: No such container: nosuch"],
  [["--pid", "container:nosuch"], () => "No such container: nosuch"],
  [["--ipc", "container:nosuch"], () => "No such container: nosuch"],
  [["--ipc", "bogus"], () => "invalid IPC mode: bogus"],
  [["--network", "container:"], () => "invalid network mode: invalid container format container:<name|id>"],
  [["--network", "container:donor", "--hostname", "x"], () => "conflicting options: hostname and the network mode"],
  [
    ["--network", "container:donor", "-p", "80:80"],
    () => "conflicting options: port publishing and the container type network mode",
  ],
  [
    ["--network", "container:donor", "-P"],
    () => "conflicting options: port publishing and the container type network mode",
  ],
  [
    ["--network", "container:donor", "--expose", "80"],
    () => "conflicting options: port exposing and the container type network mode",
  ],
  [["--network", "container:donor", "--dns", "192.0.2.1"], () => "conflicting options: dns and the network mode"],
  [
    ["--network", "container:donor", "--add-host", "a:192.0.2.1"],
    () => "conflicting options: custom host-to-IP mapping and the network mode",
  ],
  [["--uts", "host", "--hostname", "x"], () => "conflicting options: hostname and the UTS mode"],
])("refused in Docker's words: %p", async (flags, words) => {
  const done = await daemon.docker("run", "--rm", ...flags, "busybox", "true");
  expect(done.stderr).toContain(words(await idOf("donor"), await idOf("stopped")));
  expect(done.code).toBe(125);
});

test("an IPC namespace that is not shareable is not shared", async () => {
  await docker("run", "-d", "--name", "closed", "busybox", "sleep", "1000");
  const done = await daemon.docker("run", "--rm", "--ipc", "container:closed", "busybox", "true");
  expect(done.stderr).toContain(
    `failed to join IPC namespace: container ${await idOf("closed")}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
  );
  await docker("rm", "-f", "closed");
});
