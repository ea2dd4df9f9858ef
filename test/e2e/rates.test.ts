import { afterAll, beforeAll, expect, test } from "bun:test";
import { runOk } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// How much a network carries, MTUs and rates, and the kernel parameters of its interfaces.

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({
    flags: ["--network-mtu", "1400", "--default-network-opt", "bridge=com.docker.network.driver.mtu=1300"],
  });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const MEGABYTE = 1_048_576;

test("the daemon's MTU, its default for new networks, and a network's own, on both ends", async () => {
  await daemon.ok("network", "create", "usual");
  await daemon.ok("network", "create", "-o", "com.docker.network.driver.mtu=1200", "special");
  const wanted = [
    ["bridge", 1400],
    ["usual", 1300],
    ["special", 1200],
  ] as const;
  for (const [network, mtu] of wanted) {
    const shown = await daemon.ok("run", "--rm", "--network", network, "busybox", "ip", "link", "show", "eth0");
    expect(shown).toContain(`mtu ${mtu} `);
  }
  const mtus = (await runOk(daemon.inNet("ip", "-o", "link"))).matchAll(/: (?:br-|bt)\S+ .*? mtu (\d+)/g);
  expect(new Set([...mtus].map(([, mtu]) => mtu))).toEqual(new Set(["1400", "1300", "1200"]));
  // A link that carries too little for IPv6 is taken over by the next daemon all the same.
  await daemon.crash();
  await daemon.up();
  await daemon.ok("run", "--rm", "--network", "special", "busybox", "true");
  await daemon.ok("network", "rm", "usual", "special");
});

const WEB = ["busybox", "sh", "-c", `head -c ${MEGABYTE} /dev/zero >/tmp/big; httpd -f -p 80 -h /tmp`];

/** Milliseconds that a megabyte takes from one container to another. */
async function transfer(from: string, to: string): Promise<number> {
  const begun = performance.now();
  const fetched = await daemon.ok("exec", to, "sh", "-c", `until wget -qO- http://${from}/big; do :; done | wc -c`);
  expect(fetched).toBe(String(MEGABYTE));
  return performance.now() - begun;
}

test("a rate limits what comes in or goes out, of one endpoint or all of a network, and lasts", async () => {
  await daemon.ok("network", "create", "-o", "berth.egress-rate=8mbit", "slow");
  await daemon.ok("network", "create", "fast");
  await daemon.ok("run", "-d", "--name", "free", "--network", "fast", ...WEB);
  await daemon.ok("run", "-d", "--name", "other", "--network", "fast", ...WEB);
  const limited = "name=fast,driver-opt=berth.ingress-rate=8mbit";
  expect((await daemon.docker("run", "-d", "--name", "limited", "--network", limited, ...WEB)).code).toBe(0);
  await daemon.ok("run", "-d", "--name", "heavy", "--network", "slow", ...WEB);
  await daemon.ok("network", "connect", "slow", "other");
  const [free, incoming] = [await transfer("other", "free"), await transfer("other", "limited")];
  expect(incoming / free).toBeGreaterThan(2);
  expect((await transfer("heavy", "other")) / free).toBeGreaterThan(2);
  await daemon.crash();
  await daemon.up();
  await daemon.ok("restart", "-t", "0", "limited");
  expect(await runOk(daemon.inNet("tc", "qdisc", "show"))).toContain("tbf");
  expect(await daemon.ok("inspect", "-f", "{{json .NetworkSettings.Networks.fast.DriverOpts}}", "limited")).toBe(
    '{"berth.ingress-rate":"8mbit"}',
  );
  await daemon.ok("rm", "-f", "free", "other", "limited", "heavy");
  await daemon.ok("network", "rm", "slow", "fast");
});

test("on the default bridge too; what is no rate is refused and leaves nothing", async () => {
  const run = (option: string, ...more: string[]) =>
    daemon.docker("run", "--rm", "--network", `name=bridge,driver-opt=${option}`, ...more, "busybox", "true");
  expect((await run("berth.egress-rate=1mbit")).code).toBe(0);
  const { code, stderr } = await run("berth.egress-rate=fast");
  expect([code, stderr]).toEqual([125, expect.stringContaining('invalid berth.egress-rate "fast"')]);
  const refused = await daemon.docker("network", "create", "-o", "berth.ingress-rate=1", "never");
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('invalid berth.ingress-rate "1"')]);
  expect(await daemon.ok("ps", "-aq")).toBe("");
});

test("kernel parameters of an interface, at create and connect, under its own name; others are refused in Docker's words", async () => {
  const option = "com.docker.network.endpoint.sysctls";
  const run = (sysctls: string, ...more: string[]) =>
    daemon.docker(
      "run",
      "-d",
      "--name",
      "tuned",
      "--network",
      `name=tuning,"driver-opt=${option}=${sysctls}"`,
      ...more,
      ...WEB,
    );
  await daemon.ok("network", "create", "tuning");
  await daemon.ok("network", "create", "later");
  const two = "net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.conf.IFNAME.forwarding=0";
  expect((await run(two)).code).toBe(0);
  const value = (dev: string, name: string): Promise<string> =>
    daemon.ok("exec", "tuned", "cat", `/proc/sys/net/ipv4/conf/${dev}/${name}`);
  expect([await value("eth0", "log_martians"), await value("eth0", "forwarding")]).toEqual(["1", "0"]);
  const connect = [
    "network",
    "connect",
    "--driver-opt",
    `${option}=net.ipv4.conf.IFNAME.log_martians=1`,
    "later",
    "tuned",
  ];
  expect((await daemon.docker(...connect)).code).toBe(0);
  expect(await value("eth1", "log_martians")).toBe("1");
  await daemon.ok("rm", "-f", "tuned");
  const shape = "represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'";
  for (const wrong of [
    "net.ipv4.conf.eth0.log_martians=1",
    "kernel.x.ifname.y=1",
    "junk",
    "net.ipv4.conf.ifname.../../x=1",
  ])
    expect((await run(wrong)).stderr).toContain(`unrecognised network interface sysctl '${wrong}'; ${shape}`);
  const { stderr } = await run("net.ipv4.conf.IFNAME.nosuch=1");
  expect(stderr).toContain("to sandbox: /proc/sys/net/ipv4/conf/eth0/nosuch is not a sysctl file");
  await daemon.ok("rm", "tuned");
  await daemon.ok("network", "rm", "tuning", "later");
});
