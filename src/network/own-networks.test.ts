import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { mkdtempSync, readdirSync } from "node:fs";
import { join } from "node:path";
import packet from "dns-packet";
import { helperPath } from "../host/embedded.ts";
import { run } from "../host/spawn.ts";
import { openRecords } from "../store/records.ts";
import type { Records } from "../store/types.ts";
import { NetLab } from "../testing/netlab.ts";
import { type IdleNetworkService, openNetworkService } from "./service.ts";
import type { AttachRequest, NetworkRequest } from "./types.ts";

const HELPER = helperPath("");

const HOST = "10.9.0.2";
/** Knows one name of the outside. */
const UPSTREAM = `${HOST}#5353`;

let lab: NetLab;
let root: string;
let records: Records;
let service: IdleNetworkService;
let logged: string[];

function open(): IdleNetworkService {
  return openNetworkService({
    helper: HELPER,
    records,
    execRoot: root,
    bridge: "berth0",
    poolSize: 1,
    log: (l) => logged.push(l),
  });
}

function request(id: string, mode: string, more: Partial<AttachRequest> = {}): AttachRequest {
  return {
    containerId: id,
    name: `n-${id}`,
    hostname: id,
    mode,
    ports: {},
    names: [`n-${id}`],
    dns: [UPSTREAM],
    ...more,
  };
}

function network(name: string, more: Partial<NetworkRequest> = {}): NetworkRequest {
  const ipam = { driver: "default", options: {}, config: [] };
  const flags = { internal: false, attachable: false, ingress: false, configOnly: false, ipv4: true, ipv6: false };
  return { name, driver: "bridge", scope: "", configFrom: "", ...flags, ipam, options: {}, labels: {}, ...more };
}

function subnet(...config: NetworkRequest["ipam"]["config"]): Partial<NetworkRequest> {
  return { ipam: { driver: "default", options: {}, config } };
}

async function message(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "no error",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

/** What the name server says in a container's own namespace, as `nslookup` prints its answers. */
async function lookup(netns: string | undefined, name: string): Promise<string[]> {
  const asked = ["timeout", "5", "busybox", "nslookup", name, "127.0.0.11"];
  const { stdout } = await run(["nsenter", `--net=${netns}`, ...asked]);
  return [...stdout.matchAll(/^(?:Address: |.*name = )(\S+)$/gm)].map((m) => m[1] ?? "").sort();
}

/** Answers `example.com` with 192.0.2.7, and that all else does not exist. */
function upstream(): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.on("message", (message, from) => {
    const { id = 0, questions: [question] = [] } = packet.decode(message);
    if (!question) return;
    const known = question.name === "example.com" && question.type === "A";
    const answers: packet.Answer[] = known ? [{ type: "A", name: question.name, ttl: 1, data: "192.0.2.7" }] : [];
    const code = question.name === "example.com" ? 0 : 3;
    const reply = packet.encode({ type: "response", id, flags: code, questions: [question], answers });
    socket.send(reply, from.port, from.address);
  });
  return new Promise((resolve) => socket.bind(5353, HOST, () => resolve(socket)));
}

let outer: Socket;
beforeAll(async () => {
  lab = new NetLab();
  outer = await upstream();
});
afterAll(async () => {
  outer.close();
  await lab.close();
});

beforeEach(async () => {
  root = mkdtempSync(join(lab.dir, "exec-"));
  records = openRecords(join(root, "berth.db"));
  logged = [];
  service = open();
  await service.start(new Set());
});
afterEach(async () => {
  await lab.endServices();
  for (const [id] of records.table("endpoints").entries()) await service.detach(id);
  await service.idle();
  for (const { Name: name = "" } of service.list())
    if (!["bridge", "host", "none"].includes(name)) await service.remove(name);
  await service.stop();
  records.close();
  expect(lab.traces()).toEqual({ links: ["lo", "eth0"], tables: [], mounts: [expect.stringContaining(lab.outside)] });
  expect(readdirSync(join(root, "netns"))).toEqual([]);
});

describe("a network of one's own", () => {
  test("has a bridge named by its id, a subnet that is free, a way out, and names", async () => {
    const id = await service.create(network("one"));
    expect(lab.traces().links).toContain(`br-${id.slice(0, 12)}`);
    const a = await service.attach(request("a", "one", { names: ["n-a", "alias"] }));
    const b = await service.attach(request("b", id.slice(0, 8)));
    expect([a.ip, b.ip, a.gateway]).toEqual(["172.19.0.2", "172.19.0.3", "172.19.0.1"]);
    expect(service.inspect("one").Containers).toMatchObject({ a: { Name: "n-a", IPv4Address: "172.19.0.2/16" } });
    await lab.serve(lab.outside, "far", { port: 80 });
    expect(await lab.ask(a.netns, { host: "10.9.0.1", port: 80 })).toBe(`far ${HOST}`);
    await lab.serve(b.netns, "b", { port: 80 });
    expect(await lab.ask(a.netns, { host: b.ip, port: 80 })).toBe(`b ${a.ip}`);
    expect(await lookup(a.netns, "n-b")).toEqual([b.ip]);
    expect(await lookup(b.netns, "alias")).toEqual([a.ip]);
    expect(await lookup(b.netns, a.ip)).toEqual(["n-a.one"]);
    expect(await lookup(b.netns, "example.com")).toEqual(["192.0.2.7"]);
    service.rename("a", "renamed", { one: ["renamed"] });
    expect([await lookup(b.netns, "n-a"), await lookup(b.netns, "renamed")]).toEqual([[], [a.ip]]);
    await service.detach("a");
    expect(await lookup(b.netns, "renamed")).toEqual([]);
  });

  test("its containers are not reached from another's, nor from the default bridge; only what is published is", async () => {
    await service.create(network("one"));
    await service.create(network("two"));
    const ports = { "80/tcp": [{ HostIp: "", HostPort: "8080" }] };
    const a = await service.attach(request("a", "one", { ports }));
    const b = await service.attach(request("b", "two"));
    const c = await service.attach(request("c", "default"));
    await lab.serve(a.netns, "a", { port: 80 });
    await lab.serve(a.netns, "hidden", { port: 81 });
    expect(a.ports).toEqual({ "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }] });
    for (const other of [b, c]) {
      expect(await lab.ask(other.netns, { host: a.ip, port: 81 }, 300)).toBe("timeout");
      expect(await lab.ask(other.netns, { host: HOST, port: 8080 })).toStartWith("a ");
    }
    expect(await lab.ask(lab.outside, { host: HOST, port: 8080 })).toBe("a 10.9.0.1");
    expect(await lookup(b.netns, "n-a")).toEqual([]);
  });

  test("internal: no way out, no way in, names of its own only", async () => {
    await service.create(network("shut", { internal: true }));
    const ports = { "80/tcp": [{ HostIp: "", HostPort: "8080" }] };
    const a = await service.attach(request("a", "shut", { ports }));
    const b = await service.attach(request("b", "shut"));
    expect([a.gateway, a.ports["80/tcp"]]).toEqual(["", null]);
    expect(lab.sh("ip route show default", a.netns)).toBe("");
    await lab.serve(lab.outside, "far", { port: 80 });
    lab.sh("ip route add default via 172.19.0.1", a.netns);
    expect(await lab.ask(a.netns, { host: "10.9.0.1", port: 80 }, 300)).toBe("timeout");
    expect(await lookup(a.netns, "n-b")).toEqual([b.ip]);
    expect(await lookup(a.netns, "example.com")).toEqual([]);
  });

  test("without ICC its containers reach the outside and not each other", async () => {
    const options = { "com.docker.network.bridge.enable_icc": "false" };
    await service.create(network("alone", { options }));
    const [a, b] = [await service.attach(request("a", "alone")), await service.attach(request("b", "alone"))];
    await lab.serve(b.netns, "b", { port: 80 });
    await lab.serve(lab.outside, "far", { port: 80 });
    expect(["timeout", "EHOSTUNREACH"]).toContain(await lab.ask(a.netns, { host: b.ip, port: 80 }, 300));
    expect(await lab.ask(a.netns, { host: "10.9.0.1", port: 80 })).toBe(`far ${HOST}`);
    expect(await lookup(a.netns, "n-b")).toEqual([b.ip]);
  });

  test("options: MTU, the bridge's name, no masquerade, where ports go", async () => {
    const options = {
      "com.docker.network.bridge.name": "mine0",
      "com.docker.network.driver.mtu": "1300",
      "com.docker.network.bridge.enable_ip_masquerade": "false",
      "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1",
    };
    await service.create(network("mine", { options, ...subnet({ Subnet: "10.7.0.0/24", Gateway: "10.7.0.254" }) }));
    expect(lab.traces().links).toContain("mine0");
    expect(await message(service.create(network("again", { options })))).toContain("networks have same bridge name");
    const ports = { "80/tcp": [{ HostIp: "", HostPort: "8080" }] };
    const a = await service.attach(request("a", "mine", { ports }));
    expect([a.ip, a.gateway]).toEqual(["10.7.0.1", "10.7.0.254"]);
    expect(a.ports["80/tcp"]).toEqual([{ HostIp: "127.0.0.1", HostPort: "8080" }]);
    expect(lab.sh("ip -o link show eth0", a.netns)).toContain("mtu 1300");
    lab.sh(`ip route replace 10.7.0.0/24 via ${HOST}`, lab.outside);
    await lab.serve(lab.outside, "far", { port: 80 });
    expect(await lab.ask(a.netns, { host: "10.9.0.1", port: 80 })).toBe("far 10.7.0.1");
  });

  test("a bridge that was there before is used, and stays", async () => {
    lab.sh("ip link add own0 type bridge");
    await service.create(network("mine", { options: { "com.docker.network.bridge.name": "own0" } }));
    await service.remove("mine");
    expect(lab.traces().links).toContain("own0");
    lab.sh("ip link del own0; ip link add own0 type dummy 2>/dev/null || ip link add own0 type veth peer name own1");
    const options = { "com.docker.network.bridge.name": "own0" };
    expect(await message(service.create(network("mine", { options })))).toContain("the device is not a bridge");
    lab.sh("ip link del own0");
  });

  test("IPv6 beside IPv4, and alone: addresses, neighbours, and a way out", async () => {
    lab.sh("ip address add fd09::2/64 dev eth0 nodad");
    lab.sh("ip address add fd09::1/64 dev eth0 nodad", lab.outside);
    await service.create(network("both", { ipv6: true, ...subnet({ Subnet: "fd07::/64" }) }));
    await service.create(network("six", { ipv4: false, ipv6: true }));
    const [a, b] = [await service.attach(request("a", "both")), await service.attach(request("b", "both"))];
    expect(a.ip6).toEqual({ ip: "fd07::2", prefix: 64, gateway: "fd07::1" });
    expect(a.ip).toBe("172.19.0.2");
    expect(lab.sh("busybox ping -6 -c1 -W2 fd07::3 >/dev/null && echo yes", a.netns)).toBe("yes\n");
    expect(lab.sh("busybox ping -6 -c1 -W2 fd09::1 >/dev/null && echo yes", a.netns)).toBe("yes\n");
    expect(await lookup(a.netns, "n-b")).toEqual([b.ip, "fd07::3"].sort());
    const six = await service.attach(request("c", "six"));
    expect([six.ip, six.ip6?.ip]).toEqual(["", expect.stringMatching(/^fd[0-9a-f]{2}:.*::2$/)]);
    expect(await message(service.attach(request("d", "six")))).toBe("no error");
    expect(service.inspect("both").Containers?.["a"]?.IPv6Address).toBe("fd07::2/64");
  });
});

describe("addresses that are asked for", () => {
  test("are given once, and given back", async () => {
    await service.create(network("one", subnet({ Subnet: "10.7.0.0/24" })));
    const a = await service.attach(request("a", "one", { ip: "10.7.0.9", mac: "02:00:00:00:00:09" }));
    expect([a.ip, a.mac]).toEqual(["10.7.0.9", "02:00:00:00:00:09"]);
    expect(await message(service.attach(request("b", "one", { ip: "10.7.0.9" })))).toBe(
      "Address already in use: container n-a has 10.7.0.9 on one",
    );
    expect(await message(service.attach(request("b", "one", { ip: "10.7.0.1" })))).toBe(
      "Address already in use: 10.7.0.1 is the gateway of network one",
    );
    await service.detach("a");
    await service.idle();
    expect((await service.attach(request("b", "one", { ip: "10.7.0.9" }))).ip).toBe("10.7.0.9");
  });

  test("what a network cannot give is said in Docker's words", async () => {
    await service.create(network("free"));
    await service.create(network("one", subnet({ Subnet: "10.7.0.0/24" })));
    const free = "user specified IP address is supported only when connecting to networks with user configured subnets";
    expect(service.objections({ mode: "free", ip: "172.19.0.9" })).toEqual([free]);
    expect(service.objections({ mode: "one", ip: "10.7.0.9" })).toEqual([]);
    expect(service.objections({ mode: "one", ip: "foo" })).toEqual([
      "invalid IPv4 address: foo",
      "no configured subnet or ip-range contain the IP address foo",
    ]);
    expect(service.objections({ mode: "bridge", names: ["x"] })).toEqual([
      "network-scoped alias is supported only for containers in user defined networks",
    ]);
    expect(service.objections({ mode: "not there", ip: "1.2.3.4" })).toEqual([]);
  });
});

describe("several networks", () => {
  test("the first has eth0; the default route goes by priority, then by name, and follows what comes and goes", async () => {
    await service.create(network("bb"));
    await service.create(network("aa"));
    await service.create(network("shut", { internal: true }));
    const a = await service.attach(request("a", "bb", { more: [{ mode: "aa" }, { mode: "shut" }] }));
    const way = (): string => /default via (\S+)/.exec(lab.sh("ip route", a.netns))?.[1] ?? "none";
    expect(lab.sh("ip -br -4 address", a.netns)).toMatch(
      /eth0\S* .*172\.19\.0\.2.*\n.*eth1\S* .*172\.20\.0\.2.*\n.*eth2/,
    );
    expect(way()).toBe("172.20.0.1");
    await service.disconnect("a", "aa");
    expect(way()).toBe("172.19.0.1");
    await service.connect("a", { mode: "bridge", gwPriority: 7 });
    expect(way()).toBe("172.18.0.1");
    expect(lab.sh("ls /sys/class/net || true; ip -br link", a.netns)).toContain("eth1");
    await service.disconnect("a", "bridge");
    await service.disconnect("a", "bb");
    expect(way()).toBe("none");
    expect(await service.disconnect("a", "bb")).toBe(false);
    expect(service.get("a")).toMatchObject({ network: "shut", portsOn: "" });
    await service.disconnect("a", "shut");
    expect(service.get("a")?.network).toBe("");
    await service.connect("a", { mode: "aa" });
    expect(way()).toBe("172.20.0.1");
  });

  test("published ports move with the default route", async () => {
    await service.create(network("one"));
    await service.create(network("two"));
    const ports = { "80/tcp": [{ HostIp: "", HostPort: "8080" }] };
    const a = await service.attach(request("a", "one", { ports }));
    await lab.serve(a.netns, "a", { port: 80 });
    const asked = (): Promise<string> => lab.ask(lab.outside, { host: HOST, port: 8080 }, 500);
    expect(await asked()).toBe("a 10.9.0.1");
    await service.connect("a", { mode: "two", gwPriority: 1 });
    expect(await asked()).toBe("a 10.9.0.1");
    await service.disconnect("a", "one");
    expect(await asked()).toBe("a 10.9.0.1");
    await service.detach("a");
    expect(await asked()).not.toStartWith("a ");
  });

  test("twice the same network, and one that is not there, leave all as it was", async () => {
    await service.create(network("one"));
    const a = await service.attach(request("a", "one"));
    expect(await message(service.connect("a", { mode: "one" }))).toBe(
      "endpoint with name n-a already exists in network one",
    );
    expect(await message(service.connect("a", { mode: "nope" }))).toBe("network nope not found");
    expect(service.get("a")).toEqual(a);
    expect(await message(service.attach(request("b", "one", { more: [{ mode: "nope" }] })))).toBe(
      "network nope not found",
    );
    expect(service.get("b")).toBeUndefined();
    expect((await service.attach(request("b", "one"))).ip).not.toBe(a.ip);
  });
});

describe("removal", () => {
  test("is refused while somebody is on it, and for what is predefined", async () => {
    await service.create(network("one"));
    const a = await service.attach(request("a", "one"));
    expect(await message(service.remove("one"))).toBe(
      `error while removing network: network one has active endpoints (name:"n-a" id:"${a.endpointId.slice(0, 12)}")`,
    );
    expect(await message(service.remove("host"))).toBe("host is a pre-defined network and cannot be removed");
    expect(await message(service.remove("nope"))).toBe("network nope not found");
    await service.detach("a");
    expect((await service.remove("one")).Name).toBe("one");
    expect(await message(service.attach(request("a", "one")))).toBe("network one not found");
  });

  test("a configuration stays while a network depends on it", async () => {
    await service.create(network("cfg", { configOnly: true, ...subnet({ Subnet: "10.7.0.0/24" }) }));
    await service.create(network("one", { configFrom: "cfg" }));
    expect((await service.attach(request("a", "one"))).ip).toBe("10.7.0.2");
    expect(await message(service.attach(request("b", "cfg")))).toContain(
      "cannot create endpoint on configuration-only network",
    );
    expect(await message(service.remove("cfg"))).toBe(
      'error while removing network: configuration network "cfg" is in use',
    );
    await service.detach("a");
    await service.remove("one");
  });
});

/** A daemon's part in a process of its own: makes networks, attaches, prints the attachments, and waits for its end. */
const DAEMON = `
const [root, networks, requests] = process.argv.slice(-3);
const { openNetworkService } = await import("${join(import.meta.dir, "service.ts")}");
const { openRecords } = await import("${join(import.meta.dir, "../store/records.ts")}");
const records = openRecords(root + "/berth.db");
const service = openNetworkService({ helper: "${HELPER}", records, execRoot: root, bridge: "berth0", poolSize: 1, log: console.error });
await service.start(new Set());
for (const network of JSON.parse(networks)) await service.create(network);
for (const request of JSON.parse(requests)) await service.attach(request);
console.log("ready");
setInterval(() => undefined, 1000);`;

test("on the default bridge too the outside is asked by the container's own servers, and by its names from another network", async () => {
  const plain = await service.attach(request("p", "bridge"));
  expect(await lookup(plain.netns, "example.com")).toEqual(["192.0.2.7"]);
  expect(await lookup(plain.netns, "n-p")).toEqual([plain.ip]);
  await service.create(network("later"));
  await service.connect("p", { mode: "later", names: ["n-p"] });
  expect(await lookup(plain.netns, "example.com")).toEqual(["192.0.2.7"]);
  await service.disconnect("p", "bridge");
  expect(await lookup(plain.netns, "example.com")).toEqual(["192.0.2.7"]);
  await service.detach("p");
  await service.remove("later");
});

describe("after a daemon was killed", () => {
  async function killed(networks: NetworkRequest[], requests: AttachRequest[]): Promise<void> {
    await service.stop();
    records.close();
    const argv = ["-e", DAEMON, root, JSON.stringify(networks), JSON.stringify(requests)];
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
    records = openRecords(join(root, "berth.db"));
    service = open();
  }

  test("networks, addresses, names and ports of live containers are as before, the dead are gone", async () => {
    const ports = { "80/tcp": [{ HostIp: "", HostPort: "8080" }] };
    await killed(
      [network("one"), network("two")],
      [
        request("a", "one", { ports, more: [{ mode: "two", names: ["n-a"] }] }),
        request("b", "two"),
        request("dead", "one"),
      ],
    );
    await service.start(new Set(["a", "b"]));
    const [a, b] = [service.get("a"), service.get("b")];
    expect(service.get("dead")).toBeUndefined();
    await lab.serve(a?.netns, "a", { port: 80 });
    expect(await lab.ask(lab.outside, { host: HOST, port: 8080 })).toBe("a 10.9.0.1");
    expect(await lookup(b?.netns, "n-a")).toEqual([a?.more?.[0]?.ip ?? ""]);
    expect((await service.attach(request("c", "one"))).ip).not.toBe(a?.ip);
    expect(logged).toEqual([]);
  });

  test("lost bridges, pairs and rules come back", async () => {
    await killed(
      [network("one"), network("two")],
      [request("a", "one", { more: [{ mode: "two" }] }), request("b", "two")],
    );
    lab.sh(
      "for l in $(ip -o link show type bridge | grep -o ' br-[0-9a-f]*'); do ip link del $l; done; nft flush ruleset",
    );
    lab.sh(
      "for l in $(ip -o link | grep -o '^[0-9]*: bth[0-9a-f]*' | cut -d' ' -f2 | head -1); do ip link del $l; done",
    );
    await service.start(new Set(["a", "b"]));
    const [a, b] = [service.get("a"), service.get("b")];
    await lab.serve(b?.netns, "b", { port: 80 });
    expect(await lab.ask(a?.netns, { host: b?.ip ?? "", port: 80 })).toBe(`b ${a?.more?.[0]?.ip}`);
    expect(await lookup(a?.netns, "n-b")).toEqual([b?.ip ?? ""]);
  });

  test("a network whose bridge cannot be made is said, and does not stop the others", async () => {
    await killed([network("one", { options: { "com.docker.network.bridge.name": "mine0" } }), network("two")], []);
    lab.sh("ip link del mine0; ip link add mine0 type veth peer name mine1");
    await service.start(new Set());
    expect(logged.join("\n")).toContain("network: one: device mine0 is not a bridge");
    expect(await message(service.attach(request("a", "one")))).toContain("network one is not running");
    expect((await service.attach(request("b", "two"))).network).toBe("two");
    lab.sh("ip link del mine0");
  });
});
