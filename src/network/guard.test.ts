import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { helperPath } from "../host/embedded.ts";
import { openRecords } from "../store/records.ts";
import type { Records } from "../store/types.ts";
import { NetLab } from "../testing/netlab.ts";
import { type IdleNetworkService, openNetworkService } from "./service.ts";
import type { Attachment } from "./types.ts";

// What others do to our network while the daemon runs.

let lab: NetLab;
let records: Records;
let service: IdleNetworkService;
let logged: string[];
let onLine: () => void;

beforeAll(() => {
  lab = new NetLab();
});
afterAll(() => lab.close());

beforeEach(async () => {
  const root = mkdtempSync(join(lab.dir, "exec-"));
  records = openRecords(join(root, "berth.db"));
  logged = [];
  onLine = () => undefined;
  const log = (line: string): void => {
    logged.push(line);
    onLine();
  };
  service = openNetworkService({ helper: helperPath(""), records, execRoot: root, bridge: "berth0", poolSize: 1, log });
  await service.start(new Set());
  await service.create({
    ...{ name: "own", driver: "bridge", scope: "", configFrom: "", internal: false, attachable: false, ingress: false },
    ...{ configOnly: false, ipv4: true, ipv6: true, options: {}, labels: {} },
    ipam: { driver: "default", options: {}, config: [{ Subnet: "10.88.0.0/24" }, { Subnet: "fd88::/64" }] },
  });
  await service.idle();
});
afterEach(async () => {
  await lab.endServices();
  for (const [id] of records.table("endpoints").entries()) await service.detach(id);
  await service.remove("own");
  await service.stop();
  records.close();
  expect(lab.traces()).toMatchObject({ tables: [] });
});

/** Resolves when something is logged that fits, and what follows from it is done. */
async function said(pattern: RegExp): Promise<void> {
  while (!logged.some((line) => pattern.test(line)))
    await new Promise<void>((resolve) => {
      onLine = resolve;
    });
  await service.idle();
}

async function web(id: string, mode: string, port: number): Promise<Attachment> {
  const ports = { "80/tcp": [{ HostPort: String(port) }] };
  const attached = await service.attach({ containerId: id, name: id, hostname: id, mode, ports, names: [id] });
  await lab.serve(attached.netns, id, { port: 80 });
  return attached;
}

const ask = (port: number): Promise<string> => lab.ask(lab.outside, { host: "10.9.0.2", port });

test.each([
  "flush ruleset",
  "delete table ip berth-berth0",
  "flush table ip berth-berth0",
  "flush chain ip berth-berth0 publish",
])("after `nft %s` published ports are back by themselves", async (command) => {
  await web("a", "bridge", 8081);
  await web("b", "own", 8082);
  await service.idle();
  lab.sh(`nft '${command}'`);
  await said(/somebody changed our nftables table/);
  expect(await Promise.all([ask(8081), ask(8082)])).toEqual(["a 10.9.0.1", "b 10.9.0.1"]);
});

test("our own changes are no reason to write anything", async () => {
  await web("a", "bridge", 8081);
  await service.detach("a");
  await service.idle();
  expect(logged).toEqual([]);
});

test.each(["link delete", "link set down", "address flush"])(
  "a bridge after `ip %s` is as before, with all that was on it",
  async (what) => {
    const one = await web("a", "bridge", 8081);
    const two = await web("b", "own", 8082);
    await web("c", "own", 8083);
    await service.idle();
    const [, own = ""] = /: (br-[0-9a-f]+):/.exec(lab.sh("ip -o link")) ?? [];
    for (const bridge of ["berth0", own]) {
      logged.length = 0;
      const [object, verb] = what.split(" ");
      lab.sh(what.endsWith("down") ? `ip link set dev ${bridge} down` : `ip ${object} ${verb} dev ${bridge}`);
      await said(new RegExp(`${bridge} was deleted or changed`));
    }
    expect(await Promise.all([ask(8081), ask(8082), ask(8083)])).toEqual(["a 10.9.0.1", "b 10.9.0.1", "c 10.9.0.1"]);
    expect(await lab.ask(two.netns, { host: service.get("c")?.ip ?? "", port: 80 })).toBe(`c ${two.ip}`);
    // Those that are made after it get there as well.
    const later = await web("d", "bridge", 8084);
    expect(await lab.ask(one.netns, { host: later.ip, port: 80 })).toBe(`d ${one.ip}`);
  },
);

test("a route of the host that hides a network is told, with its name and what to do, until it is gone", async () => {
  expect(service.warnings()).toEqual([]);
  lab.sh("ip route add 10.88.0.128/25 via 10.9.0.1; ip route add 10.0.0.0/8 via 10.9.0.1");
  await said(/network own \(10\.88\.0\.0\/24\)/);
  expect(service.warnings()).toEqual([
    "network own (10.88.0.0/24) and the host's route to 10.88.0.128/25 by eth0 are in each other's way; make the network anew with another --subnet",
  ]);
  // New networks keep clear of it.
  await expect(
    service.create({
      ...{ name: "late", driver: "bridge", scope: "", configFrom: "", internal: false, attachable: false },
      ...{ ingress: false, configOnly: false, ipv4: true, ipv6: false, options: {}, labels: {} },
      ipam: { driver: "default", options: {}, config: [{ Subnet: "10.88.0.128/26" }] },
    }),
  ).rejects.toThrow("Pool overlaps");
  lab.sh("ip route delete 10.88.0.128/25");
  await said(/no longer: network own/);
  expect(service.warnings()).toEqual([]);
});
