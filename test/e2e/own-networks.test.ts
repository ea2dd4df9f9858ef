import { afterAll, beforeAll, expect, test } from "bun:test";
import { TestDaemon } from "../../src/testing/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const CLIS = ["berth", "docker"] as const;

async function docker(...args: string[]): Promise<string> {
  const done = await daemon.docker(...args);
  if (done.code !== 0) throw new Error(`docker ${args.join(" ")}: ${done.stderr}`);
  return done.stdout.trim();
}

async function events(type: string): Promise<string[]> {
  const until = String(Math.floor(Date.now() / 1000) + 1);
  const format = "{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}}";
  return (await docker("events", "--since", "0", "--until", until, "-f", `type=${type}`, "--format", format)).split(
    "\n",
  );
}

test.each(CLIS)("%s makes, shows, uses and removes a network", async (cli) => {
  const name = `net-${cli}`;
  const made = await daemon[cli]("network", "create", "--label", "a=b", "-o", "x=y", "--subnet", "10.7.0.0/24", name);
  expect(made).toMatchObject({ code: 0, stderr: "", stdout: expect.stringMatching(/^[0-9a-f]{64}\n$/) });
  const ls = await daemon[cli]("network", "ls", "-f", "label=a=b", "--format", "{{.Name}} {{.Driver}} {{.Scope}}");
  expect(ls.stdout).toBe(`${name} bridge local\n`);
  const run = ["run", "-d", "--name", `c-${cli}`, "--network", name, "--ip", "10.7.0.9", "busybox", "sleep", "1000"];
  expect((await daemon[cli](...run)).code).toBe(0);
  const shown = await daemon[cli](
    "network",
    "inspect",
    "-f",
    "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}",
    name,
  );
  expect(shown.stdout).toBe(`c-${cli} 10.7.0.9/24\n`);
  const refused = await daemon[cli]("network", "rm", name);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(`network ${name} has active endpoints`)]);
  expect((await daemon[cli]("rm", "-f", `c-${cli}`)).code).toBe(0);
  expect(await daemon[cli]("network", "rm", name)).toMatchObject({ code: 0, stdout: `${name}\n` });
  expect(await daemon[cli]("network", "rm", "-f", name)).toMatchObject({ code: 0 });
  const seen = await events("network");
  const mine = seen.filter((line) => line.includes(` ${name} `)).map((line) => line.split(" ")[0] ?? "");
  expect(mine).toEqual(["create", "connect", "disconnect", "destroy"]);
});

test("twenty containers on five networks find each other by name, and not across; rename and stop are seen", async () => {
  const nets = Array.from({ length: 5 }, (_, i) => `grid${i}`);
  for (const net of nets) await docker("network", "create", net);
  const names = Array.from({ length: 20 }, (_, i) => `node${i}`);
  await Promise.all(
    names.map((name, i) =>
      docker(
        "run",
        "-d",
        "--name",
        name,
        "--network",
        `grid${i % 5}`,
        "--network-alias",
        "peer",
        "busybox",
        "sleep",
        "1000",
      ),
    ),
  );
  const found = await Promise.all(
    names.map((name, i) => docker("exec", name, "sh", "-c", `ping -c1 -W5 node${(i + 5) % 20} >/dev/null && echo yes`)),
  );
  expect(found).toEqual(names.map(() => "yes"));
  const peers = await docker("exec", "node0", "nslookup", "-type=a", "peer");
  expect(peers.match(/^Address: \S+$/gm)).toHaveLength(4);
  expect((await daemon.docker("exec", "node0", "nslookup", "-type=a", "node1")).code).not.toBe(0);
  await docker("rename", "node5", "other");
  expect(await docker("exec", "node0", "nslookup", "-type=a", "other")).toContain("Address: ");
  expect((await daemon.docker("exec", "node0", "nslookup", "-type=a", "node5")).code).not.toBe(0);
  await docker("stop", "-t", "0", "other");
  expect((await docker("exec", "node0", "nslookup", "-type=a", "peer")).match(/^Address: \S+$/gm)).toHaveLength(3);
  await daemon.crash();
  await daemon.up();
  expect((await docker("exec", "node0", "nslookup", "-type=a", "peer")).match(/^Address: \S+$/gm)).toHaveLength(3);
  await docker("rm", "-f", ...names.filter((n) => n !== "node5"), "other");
  await docker("network", "prune", "-f");
  expect((await docker("network", "ls", "-q")).split("\n")).toHaveLength(3);
}, 300_000);

test("connect and disconnect, running and stopped; hosts and resolv.conf follow", async () => {
  await docker("network", "create", "--subnet", "10.8.0.0/24", "late");
  await docker("run", "-d", "--name", "mover", "busybox", "sleep", "1000");
  await docker("network", "connect", "--ip", "10.8.0.9", "--alias", "al", "late", "mover");
  expect(await docker("exec", "mover", "cat", "/etc/resolv.conf")).toContain("nameserver 127.0.0.11");
  expect(await docker("exec", "mover", "cat", "/etc/hosts")).toContain("10.8.0.9");
  expect(await docker("run", "--rm", "--network", "late", "busybox", "nslookup", "-type=a", "al")).toContain(
    "10.8.0.9",
  );
  await docker("network", "disconnect", "bridge", "mover");
  expect(
    await docker(
      "inspect",
      "-f",
      "{{range $n, $e := .NetworkSettings.Networks}}{{$n}} {{$e.Aliases}} {{$e.IPAddress}}{{end}}",
      "mover",
    ),
  ).toBe("late [al] 10.8.0.9");
  await docker("restart", "-t", "0", "mover");
  expect(await docker("exec", "mover", "ip", "-4", "-o", "addr", "show", "eth0")).toContain("10.8.0.9/24");
  await docker("stop", "-t", "0", "mover");
  await docker("network", "disconnect", "late", "mover");
  await docker("network", "connect", "bridge", "mover");
  await docker("start", "mover");
  expect(await docker("inspect", "-f", "{{range $n, $e := .NetworkSettings.Networks}}{{$n}}{{end}}", "mover")).toBe(
    "bridge",
  );
  await docker("rm", "-f", "mover");
  await docker("network", "rm", "late");
}, 300_000);

test("several networks at create, --link on one's own network, and what is refused as Docker does", async () => {
  await docker("network", "create", "left");
  await docker("network", "create", "right");
  await docker("run", "-d", "--name", "store", "--network", "left", "busybox", "sleep", "1000");
  const both = ["--network", "left", "--network", "name=right,alias=r,gw-priority=5", "--link", "store:db"];
  const out = await docker(
    "run",
    "--rm",
    ...both,
    "busybox",
    "sh",
    "-c",
    "ip route | head -1; ls /sys/class/net; nslookup -type=a db",
  );
  expect(out).toMatch(/default via \S+ dev eth1[\s\S]*eth0\neth1\nlo[\s\S]*Address: /);
  const words = async (...args: string[]): Promise<string> => (await daemon.docker(...args)).stderr;
  expect(await words("network", "connect", "left", "store")).toContain(
    "endpoint with name store already exists in network left",
  );
  expect(await words("network", "connect", "none", "store")).toContain("one of the networks in private (none) mode");
  expect(await words("network", "connect", "host", "store")).toContain(
    "container must be created in host network mode",
  );
  expect(await words("network", "disconnect", "right", "store")).toContain("is not connected to network right");
  expect(await words("network", "create", "left")).toContain("network with name left already exists");
  expect(await words("network", "create", "-d", "nope", "x")).toContain('plugin "nope" not found');
  expect(await words("run", "--rm", "--network", "nope", "busybox")).toContain("network nope not found");
  await docker("rm", "-f", "store");
  await docker("network", "rm", "left", "right");
}, 300_000);

test("nothing is left at the end", async () => {
  const aq = (await docker("ps", "-aq")).split("\n").filter(Boolean);
  if (aq.length > 0) await docker("rm", "-f", ...aq);
  await daemon.down();
  const { mounts, links, tables, namespaces, processes } = await daemon.leftovers();
  expect({ mounts, links, tables, namespaces, processes }).toEqual({
    ...{ mounts: [], links: [], tables: [], namespaces: [], processes: [] },
  });
});

test("networks are cut from the daemon's pools until they are full; both command lines show the pools", async () => {
  const pools = ["base=10.61.0.0/24,size=26", "base=fd61::/48,size=64"].flatMap((pool) => [
    "--default-address-pool",
    pool,
  ]);
  await using own = await TestDaemon.start({ busybox: false, flags: pools });
  const subnets: string[] = [];
  for (const name of ["one", "two", "three"]) {
    await own.ok("network", "create", "--ipv6", name);
    subnets.push(await own.ok("network", "inspect", "-f", "{{range .IPAM.Config}}{{.Subnet}} {{end}}", name));
  }
  // The first is the default bridge's.
  expect(subnets.map((text) => text.trim())).toEqual([
    "10.61.0.64/26 fd61::/64",
    "10.61.0.128/26 fd61:0:0:1::/64",
    "10.61.0.192/26 fd61:0:0:2::/64",
  ]);
  const full = await own.docker("network", "create", "four");
  expect(full.stderr).toContain("all predefined address pools have been fully subnetted");
  await own.ok("network", "rm", "two");
  await own.ok("network", "create", "four");
  expect(await own.ok("network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", "four")).toBe("10.61.0.128/26");
  const shown = (await own.docker("info", "--format", "{{json .DefaultAddressPools}}")).stdout;
  expect(JSON.parse(shown)).toEqual([
    { Base: "10.61.0.0/24", Size: 26 },
    { Base: "fd61::/48", Size: 64 },
  ]);
  expect(await own.ok("info")).toContain("Base: 10.61.0.0/24, Size: 26");
});
