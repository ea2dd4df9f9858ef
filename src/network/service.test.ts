import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { helperPath } from "../host/embedded.ts";
import type { PortMap } from "../spec/engine-api.ts";
import { openRecords } from "../store/records.ts";
import type { Records } from "../store/types.ts";
import { NetLab } from "../testing/netlab.ts";
import { type IdleNetworkService, openNetworkService } from "./service.ts";
import type { Attachment, AttachRequest } from "./types.ts";

const HELPER = helperPath("");

const BRIDGE = "berth0";
const HOST = "10.9.0.2";

let lab: NetLab;
let root: string;
let records: Records;
let service: IdleNetworkService;
let logged: string[];

function open(more: { bip?: string; bridge?: string; poolSize?: number } = {}): IdleNetworkService {
  return openNetworkService({
    helper: HELPER,
    records,
    execRoot: root,
    bridge: BRIDGE,
    log: (l) => logged.push(l),
    ...more,
  });
}

function request(id: string, more: Partial<AttachRequest> = {}): AttachRequest {
  return { containerId: id, name: `n-${id}`, hostname: id, mode: "default", ports: {}, ...more };
}

function tcp(port: number, ...hostPorts: string[]): PortMap {
  return { [`${port}/tcp`]: hostPorts.map((HostPort) => ({ HostIp: "", HostPort })) };
}

async function message(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "no error";
}

beforeAll(() => {
  lab = new NetLab();
});
afterAll(() => lab.close());

beforeEach(async () => {
  root = mkdtempSync(join(lab.dir, "exec-"));
  records = openRecords(join(root, "berth.db"));
  logged = [];
  service = open();
  await service.start(new Set());
  await service.idle();
});
afterEach(async () => {
  await lab.endServices();
  for (const [id] of records.table("endpoints").entries()) await service.detach(id);
  await service.stop();
  records.close();
  expect(lab.traces()).toEqual({ links: ["lo", "eth0"], tables: [], mounts: [expect.stringContaining(lab.outside)] });
  expect(readdirSync(join(root, "netns"))).toEqual([]);
});

describe("a container on the bridge", () => {
  test("has an address, a MAC made from it, the way out's MTU, and reaches its neighbours and the outside", async () => {
    const a = await service.attach(request("a"));
    const b = await service.attach(request("b"));
    expect(a).toMatchObject({
      network: "bridge",
      ip: "172.18.0.2",
      prefix: 16,
      gateway: "172.18.0.1",
      mac: "02:42:ac:12:00:02",
      ports: {},
    });
    expect(b.ip).toBe("172.18.0.3");
    expect(lab.sh("ip -br address show dev eth0", a.netns)).toContain("172.18.0.2/16");
    expect(lab.sh("ip -o link show", a.netns)).toMatch(/eth0.* mtu 1400 .*02:42:ac:12:00:02/);
    await lab.serve(b.netns, "b", { port: 80 });
    expect(await lab.ask(a.netns, { host: "172.18.0.3", port: 80 })).toBe("b 172.18.0.2");
    await lab.serve(lab.outside, "far", { port: 80 });
    expect(await lab.ask(a.netns, { host: "10.9.0.1", port: 80 })).toBe(`far ${HOST}`);
  });

  test("takes a wanted MAC address", async () => {
    const a = await service.attach(request("a", { mac: "02:AA:bb:00:00:01" }));
    expect(a.mac).toBe("02:aa:bb:00:00:01");
    expect(lab.sh("ip -o link show dev eth0", a.netns)).toContain("02:aa:bb:00:00:01");
    expect(await message(service.attach(request("b", { mac: "nonsense" })))).toBe("invalid MAC address: nonsense");
  });

  test("is not reachable from outside on ports that are not published, nor can it reach the host's loopback", async () => {
    const a = await service.attach(request("a"));
    await lab.serve(a.netns, "a", { port: 80 });
    lab.sh(`ip route replace 172.18.0.0/16 via ${HOST}`, lab.outside);
    expect(await lab.ask(lab.outside, { host: a.ip, port: 80 }, 500)).toBe("timeout");
    expect(await lab.ask(undefined, { host: a.ip, port: 80 })).toBe("a 172.18.0.1");
    await lab.serve(undefined, "private", { host: "127.0.0.1", port: 7000 });
    lab.sh(
      "ip address del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via 172.18.0.1 dev eth0; echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet",
      a.netns,
    );
    expect(await lab.ask(a.netns, { host: "127.0.0.1", port: 7000 }, 500)).toBe("timeout");
  });
});

describe("published ports", () => {
  test.each([
    ["tcp", 0],
    ["tcp", 1],
    ["udp", 0],
    ["udp", 1],
  ] as const)(
    "%s on all addresses, br_netfilter %d: from localhost, the host's address, outside, a neighbour and itself",
    async (proto, filtered) => {
      // A host without br_netfilter has no such file, and is the first case.
      lab.sh(`f=/proc/sys/net/bridge/bridge-nf-call-iptables; if [ -e $f ]; then echo ${filtered} > $f; fi`);
      await service.start(new Set());
      await service.idle();
      const ports = { [`80/${proto}`]: [{ HostIp: "", HostPort: "8080" }], "81/tcp": null };
      const a = await service.attach(request("a", { ports }));
      const b = await service.attach(request("b"));
      expect(a.ports).toEqual({ [`80/${proto}`]: [{ HostIp: "0.0.0.0", HostPort: "8080" }], "81/tcp": null });
      await lab.serve(a.netns, "a", { proto, port: 80 });
      const at = (host: string): { proto: typeof proto; host: string; port: number } => ({ proto, host, port: 8080 });
      expect(await lab.ask(undefined, at("127.0.0.1"))).toBe("a 172.18.0.1");
      expect(await lab.ask(undefined, at(HOST))).toStartWith("a ");
      expect(await lab.ask(lab.outside, at(HOST))).toBe("a 10.9.0.1");
      expect(await lab.ask(b.netns, at(HOST))).toStartWith("a ");
      expect(await lab.ask(b.netns, at("172.18.0.1"))).toStartWith("a ");
      expect(await lab.ask(a.netns, at(HOST))).toBe("a 172.18.0.1");
      await service.detach("a");
      expect(await lab.ask(undefined, at("127.0.0.1"), 300)).not.toStartWith("a ");
    },
  );

  test.each(["", HOST])(
    "a UDP client that keeps its port meets each new owner of the published port (on %p)",
    async (HostIp) => {
      const ports = { "80/udp": [{ HostIp, HostPort: "8080" }] };
      const talk = { proto: "udp", host: HOST, port: 8080, from: 4000 } as const;
      await lab.ask(lab.outside, talk, 200);
      for (const id of ["a", "b"]) {
        const { netns } = await service.attach(request(id, { ports }));
        await lab.serve(netns, id, { proto: "udp", port: 80 });
        expect(await lab.ask(lab.outside, talk)).toBe(`${id} 10.9.0.1`);
        expect(await lab.ask(undefined, talk)).toStartWith(id);
        await lab.endServices();
        await service.detach(id);
      }
    },
  );

  test("on one address only that one answers, and another container may have the port on another", async () => {
    const on = (HostIp: string): PortMap => ({ "80/tcp": [{ HostIp, HostPort: "8080" }] });
    const a = await service.attach(request("a", { ports: on("127.0.0.1") }));
    const b = await service.attach(request("b", { ports: on(HOST) }));
    await lab.serve(a.netns, "a", { port: 80 });
    await lab.serve(b.netns, "b", { port: 80 });
    expect(await lab.ask(undefined, { host: "127.0.0.1", port: 8080 })).toBe("a 172.18.0.1");
    expect(await lab.ask(lab.outside, { host: HOST, port: 8080 })).toBe("b 10.9.0.1");
    expect(await lab.ask(undefined, { host: "172.18.0.1", port: 8080 })).toBe("ECONNREFUSED");
  });

  test("a port that another container has is refused in Docker's words, and nothing is left of the attempt", async () => {
    await service.attach(request("a", { ports: tcp(80, "8080") }));
    const failed = service.attach(request("b", { ports: { ...tcp(80, "9090"), ...tcp(81, "8080") } }));
    expect(await message(failed)).toMatch(
      /^driver failed programming external connectivity on endpoint n-b \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:8080 failed: port is already allocated$/,
    );
    expect(service.get("b")).toBeUndefined();
    expect((await service.attach(request("c", { ports: tcp(80, "9090") }))).ports).toEqual({
      "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "9090" }],
    });
  });

  test("a port that a program of the host has is refused, tcp and udp; so is an address that the host has not", async () => {
    await lab.serve(undefined, "x", { host: "127.0.0.1", port: 8080 });
    await lab.serve(undefined, "x", { proto: "udp", host: HOST, port: 5353 });
    const attempt = (ports: PortMap): Promise<string> => message(service.attach(request("a", { ports })));
    expect(await attempt(tcp(80, "8080"))).toContain(
      "failed to bind host port for 0.0.0.0:8080:172.18.0.2:80/tcp: address already in use",
    );
    expect(await attempt({ "53/udp": [{ HostPort: "5353" }] })).toContain("53/udp: address already in use");
    expect(await attempt({ "80/tcp": [{ HostIp: "192.0.2.9", HostPort: "80" }] })).toContain(
      "cannot assign requested address",
    );
  });

  test("while a port is published no program of the host can take it; afterwards it can", async () => {
    await service.attach(request("a", { ports: tcp(80, "8080") }));
    expect(await message(lab.serve(undefined, "x", { port: 8080 }))).toContain("did not start");
    await service.detach("a");
    await lab.serve(undefined, "x", { port: 8080 });
  });

  test("random ports come from the kernel's range, differ, and skip what is taken; a range gives its first free one", async () => {
    lab.sh("echo 40000 40002 > /proc/sys/net/ipv4/ip_local_port_range");
    await lab.serve(undefined, "x", { port: 40001 });
    const a = await service.attach(request("a", { ports: tcp(80, "", "0") }));
    expect(a.ports["80/tcp"]?.map((b) => b.HostPort)).toEqual(["40000", "40002"]);
    expect(await message(service.attach(request("b", { ports: tcp(80, "") })))).toEndWith(": all ports are allocated");
    const numbers: (string | undefined)[] = [];
    for (const id of ["c", "d"]) {
      numbers.push((await service.attach(request(id, { ports: tcp(80, "8000-8001") }))).ports["80/tcp"]?.[0]?.HostPort);
    }
    expect(numbers).toEqual(["8000", "8001"]);
    expect(await message(service.attach(request("e", { ports: tcp(80, "8000-8001") })))).toEndWith(
      ": all ports are allocated",
    );
  });

  test.each([
    [{ "99999/tcp": [{ HostPort: "80" }] }, 'invalid port specification: "99999/tcp"'],
    [{ "80/tcp": [{ HostPort: "90-80" }] }, "invalid hostPort: 90-80"],
    [{ "80/tcp": [{ HostIp: "1.2.3", HostPort: "80" }] }, "invalid IP address: 1.2.3"],
    [
      { "80/tcp": [{ HostIp: "::1", HostPort: "80" }] },
      "cannot publish on ::1: the container has no IPv6 address there (put it on a network that was made with --ipv6)",
    ],
  ] as [PortMap, string][])("%j is refused", async (ports, words) => {
    expect(await message(service.attach(request("a", { ports })))).toBe(words);
  });

  test("publishing goes on after somebody flushed the ruleset, and brings the earlier ports back", async () => {
    const a = await service.attach(request("a", { ports: tcp(80, "8080") }));
    await lab.serve(a.netns, "a", { port: 80 });
    lab.sh("nft flush ruleset");
    await service.attach(request("b", { ports: tcp(80, "8081") }));
    expect(await lab.ask(lab.outside, { host: HOST, port: 8080 })).toBe("a 10.9.0.1");
  });
});

describe("other modes", () => {
  test("none: a namespace with loopback only; host: no namespace; neither has ports", async () => {
    const none = await service.attach(request("a", { mode: "none", ports: tcp(80, "8080") }));
    expect(none).toMatchObject({ network: "none", ip: "", gateway: "", mac: "", ports: {} });
    expect(lab.sh("ip -br link", none.netns)).toMatch(/^lo\s+UNKNOWN[^\n]*\n$/);
    const host = await service.attach(request("b", { mode: "host" }));
    expect(host.netns).toBeUndefined();
    expect(service.inspect("host").Containers).toEqual({
      b: { Name: "n-b", EndpointID: host.endpointId, MacAddress: "", IPv4Address: "", IPv6Address: "" },
    });
  });

  test("an unknown network, and a second attach of one container", async () => {
    expect(await message(service.attach(request("a", { mode: "nope" })))).toBe("network nope not found");
    expect(() => service.check("nope")).toThrow("network nope not found");
    await service.attach(request("a"));
    expect(await message(service.attach(request("a")))).toBe("endpoint with name n-a already exists in network bridge");
  });

  test("without a bridge `default` is `none`, and nothing is made", async () => {
    const other = mkdtempSync(join(lab.dir, "exec-"));
    const own = openRecords(join(other, "berth.db"));
    const bare = openNetworkService({
      helper: HELPER,
      records: own,
      execRoot: other,
      bridge: "none",
      log: () => undefined,
    });
    await bare.start(new Set());
    expect(bare.list().map((n) => n.Name)).toEqual(["host", "none"]);
    expect((await bare.attach(request("a"))).network).toBe("none");
    expect(await message(bare.attach(request("b", { mode: "bridge" })))).toBe("network bridge not found");
    await bare.detach("a");
    await bare.stop();
    own.close();
    expect(readdirSync(join(other, "netns"))).toEqual([]);
  });

  test("names that cannot be a bridge's and addresses that cannot be its address are refused at the door", () => {
    for (const bridge of ["", "a b", "x".repeat(16), '"'])
      expect(() => open({ bridge })).toThrow("invalid bridge name");
    expect(() => open({ bip: "172.30.0.0/16" })).toThrow("use 172.30.0.1/16");
    expect(() => open({ bip: "172.30.0.1" })).toThrow("invalid CIDR address: 172.30.0.1");
    expect(() => open({ bip: "172.30.0.1/31" })).toThrow("prefix length has to be from 8 to 30");
  });
});

describe("many at once", () => {
  test("20 containers with a port each, attached and detached together, have addresses of their own and leave nothing", async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `c${i}`);
    const all = await Promise.all(ids.map((id, i) => service.attach(request(id, { ports: tcp(80, `${9000 + i}`) }))));
    expect(new Set(all.map((a) => a.ip)).size).toBe(20);
    expect(lab.sh(`nft list map ip berth-${BRIDGE} any`).match(/(tcp|6) \. 90/g)).toHaveLength(20);
    await Promise.all(ids.map((id) => service.detach(id)));
    expect(lab.sh(`nft list map ip berth-${BRIDGE} any`)).not.toContain("tcp . 90");
    await service.idle();
    expect(readdirSync(join(root, "netns"))).toHaveLength(4);
  });

  test("two daemons that start at the same moment do not share a subnet", async () => {
    await service.stop();
    const others = ["berth1", "berth2"].map((bridge) => {
      const execRoot = mkdtempSync(join(lab.dir, "exec-"));
      const own = openRecords(join(execRoot, "berth.db"));
      return {
        own,
        daemon: openNetworkService({ helper: HELPER, records: own, execRoot, bridge, log: () => undefined }),
      };
    });
    await Promise.all(others.map(({ daemon }) => daemon.start(new Set())));
    const subnets = others.map(({ daemon }) => daemon.inspect("bridge").IPAM?.Config?.[0]?.Subnet);
    expect(new Set(subnets).size).toBe(2);
    for (const { own, daemon } of others) {
      await daemon.stop();
      own.close();
    }
  });

  test("two daemons side by side take different subnets and do not touch each other", async () => {
    const other = mkdtempSync(join(lab.dir, "exec-"));
    const own = openRecords(join(other, "berth.db"));
    const second = openNetworkService({
      helper: HELPER,
      records: own,
      execRoot: other,
      bridge: "berth1",
      log: () => undefined,
    });
    await second.start(new Set());
    await second.idle();
    const [a, b] = [
      await service.attach(request("a", { ports: tcp(80, "8080") })),
      await second.attach(request("b", { ports: tcp(80, "8081") })),
    ];
    expect([a.ip, b.ip]).toEqual(["172.18.0.2", "172.19.0.2"]);
    await lab.serve(b.netns, "b", { port: 80 });
    expect(await message(second.attach(request("c", { ports: tcp(80, "8080") })))).toContain("address already in use");
    await service.stop();
    await service.start(new Set(["a"]));
    expect(await lab.ask(a.netns, { host: HOST, port: 8081 })).toStartWith("b ");
    expect(await lab.ask(a.netns, { host: "172.19.0.2", port: 80 }, 500)).toBe("timeout");
    await second.detach("b");
    await second.stop();
    own.close();
    expect(readdirSync(join(other, "netns"))).toEqual([]);
  });
});

/** A daemon's part in a process of its own: attaches what it is told, prints the attachments, and waits for its end. */
const DAEMON = `
const [root, bridge, requests] = process.argv.slice(-3);
const { openNetworkService } = await import("${join(import.meta.dir, "service.ts")}");
const { openRecords } = await import("${join(import.meta.dir, "../store/records.ts")}");
const records = openRecords(root + "/berth.db");
const service = openNetworkService({ helper: "${HELPER}", records, execRoot: root, bridge, log: console.error });
await service.start(new Set());
const made = [];
for (const request of JSON.parse(requests)) made.push(await service.attach(request));
console.log(JSON.stringify(made));
setInterval(() => undefined, 1000);`;

describe("after a daemon was killed", () => {
  /** Attaches in a daemon that is then killed with SIGKILL, its pool just being refilled. */
  async function killed(...requests: AttachRequest[]): Promise<Attachment[]> {
    await service.stop();
    records.close();
    const child = spawn(process.execPath, ["-e", DAEMON, root, BRIDGE, JSON.stringify(requests)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const line = await new Promise<string>((resolve) =>
      child.stdout.once("data", (b: Buffer) => resolve(b.toString())),
    );
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
    records = openRecords(join(root, "berth.db"));
    return JSON.parse(line);
  }

  async function restart(live: string[], more: { bip?: string } = {}): Promise<void> {
    await service.stop();
    service = open(more);
    await service.start(new Set(live));
    await service.idle();
  }

  test("live containers keep address and ports, the dead lose theirs, the old pool goes", async () => {
    const [a, dead] = await killed(
      request("a", { ports: tcp(80, "8080") }),
      request("dead", { ports: tcp(80, "8081") }),
    );
    if (!a || !dead) throw new Error("nothing was attached");
    await lab.serve(a.netns, "a", { port: 80 });
    expect(await lab.ask(lab.outside, { host: HOST, port: 8080 })).toBe("a 10.9.0.1");
    await restart(["a"]);
    expect(service.get("a")).toEqual(a);
    expect(service.get("dead")).toBeUndefined();
    expect(service.inspect("bridge")).toMatchObject({
      Id: a.networkId,
      Containers: { a: { IPv4Address: `${a.ip}/16` } },
    });
    expect(await lab.ask(lab.outside, { host: HOST, port: 8080 })).toBe("a 10.9.0.1");
    expect(lab.sh(`nft list map ip berth-${BRIDGE} any`)).not.toContain("8081");
    expect(readdirSync(join(root, "netns"))).toHaveLength(5);
    expect(await message(service.attach(request("b", { ports: tcp(80, "8080") })))).toContain("already allocated");
    expect((await service.attach(request("c"))).ip).not.toBe(a.ip);
    expect(await message(lab.serve(undefined, "x", { port: 8080 }))).toContain("did not start");
    expect(logged).toEqual([]);
  });

  test("a port that another program took meanwhile stays published, and that is said", async () => {
    const [a] = await killed(request("a", { ports: tcp(80, "8080") }));
    await lab.serve(undefined, "x", { port: 8080 });
    await restart(["a"]);
    await lab.serve(a?.netns, "a", { port: 80 });
    expect(await lab.ask(lab.outside, { host: HOST, port: 8080 })).toBe("a 10.9.0.1");
    expect(logged).toEqual(["network: n-a: another program also listens on 0.0.0.0:8080/tcp"]);
  });

  test("a lost bridge, a lost pair, a flushed ruleset, stray links and half-made files are all mended", async () => {
    const [a, b] = await killed(request("a", { ports: tcp(80, "8080") }), request("b"));
    if (!a || !b) throw new Error("nothing was attached");
    await lab.serve(a.netns, "a", { port: 80 });
    lab.sh(`
      ip link del ${BRIDGE}
      nft flush ruleset
      ip link del bth${b.netns?.slice(-8)}
      ip link add ${BRIDGE} type bridge
      ip link add bth00000000 master ${BRIDGE} type veth peer name stray
      : > ${root}/netns/0badc0de`);
    await restart(["a", "b"]);
    expect(await lab.ask(lab.outside, { host: HOST, port: 8080 })).toBe("a 10.9.0.1");
    expect(await lab.ask(b.netns, { host: a.ip, port: 80 })).toBe(`a ${b.ip}`);
    expect(readdirSync(join(root, "netns"))).not.toContain("0badc0de");
    expect(lab.traces().links).not.toContain("stray");
  });

  test("a namespace that is gone is said, and does not stop the others", async () => {
    const [a] = await killed(request("a"));
    lab.sh(`ip link del bth${a?.netns?.slice(-8)}; umount -l ${a?.netns}`);
    await restart(["a"]);
    expect(logged.join("\n")).toContain("n-a: its namespace is gone");
  });

  test("another --bip waits until no container is attached", async () => {
    await killed(request("a"));
    await restart(["a"], { bip: "172.30.0.1/24" });
    expect(logged.join("\n")).toContain("berth0 keeps 172.18.0.1 while containers use it");
    await service.detach("a");
    await restart([], { bip: "172.30.0.1/24" });
    expect(await service.attach(request("b"))).toMatchObject({ ip: "172.30.0.2", prefix: 24, gateway: "172.30.0.1" });
  });
});

describe("detach", () => {
  test("frees a namespace that a monitor's private mount namespace has a copy of", async () => {
    const a = await service.attach(request("a"));
    const monitor = spawn("unshare", ["-m", "--propagation", "private", "sh", "-c", "echo; exec cat"]);
    await new Promise((resolve) => monitor.stdout.once("data", resolve));
    const seen = (): boolean => readFileSync(`/proc/${monitor.pid}/mounts`, "utf8").includes(String(a.netns));
    expect(seen()).toBe(true);
    await service.detach("a");
    await service.idle();
    expect(seen()).toBe(false);
    monitor.stdin.end();
    await new Promise((resolve) => monitor.once("close", resolve));
  });

  test("removes the link of a namespace that a process still holds", async () => {
    const a = await service.attach(request("a"));
    await lab.serve(a.netns, "a", { port: 80 });
    await service.detach("a");
    await service.idle();
    expect(lab.traces().links).not.toContain(`bth${a.netns?.slice(-8)}`);
  });
});

describe("stop", () => {
  test("with a container attached bridge and ports stay, and the pool goes; start goes on from there", async () => {
    const a = await service.attach(request("a", { ports: tcp(80, "8080") }));
    await lab.serve(a.netns, "a", { port: 80 });
    await service.stop();
    expect(readdirSync(join(root, "netns"))).toHaveLength(1);
    expect(await lab.ask(lab.outside, { host: HOST, port: 8080 })).toBe("a 10.9.0.1");
    await service.start(new Set(["a"]));
    await service.detach("a");
    await service.detach("a");
  });

  test("a bridge of the user's own is used with its address and left in place", async () => {
    await service.stop();
    lab.sh("ip link add own0 type bridge; ip address add 10.77.0.1/24 dev own0; ip link set own0 up");
    const own = open({ bridge: "own0" });
    await own.start(new Set());
    await own.idle();
    expect((await own.attach(request("a"))).ip).toBe("10.77.0.2");
    await own.detach("a");
    await own.stop();
    expect(lab.traces().links).toContain("own0");
    lab.sh("ip link del own0");
    expect(readFileSync("/proc/sys/net/ipv4/ip_forward", "latin1").trim()).toBe("1");
  });
});
