import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { helperPath } from "../host/embedded.ts";
import { openRecords } from "../store/records.ts";
import { NetLab } from "../testing/netlab.ts";
import { openNetworkService } from "./service.ts";

// SCTP by packets of our own, as kernels without its sockets forward and translate them all the same.

let lab: NetLab;
beforeAll(() => {
  lab = new NetLab();
});
afterAll(() => lab.close());

/** The start of an association (RFC 9260, section 3.3.2) from port 7000 to `port`, with its CRC32c. */
const SEND = `
import socket, struct, sys
def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8): crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff
head = lambda crc: struct.pack("!HHI", 7000, int(sys.argv[2]), 0) + struct.pack("<I", crc)
init = struct.pack("!BBHIIHHI", 1, 0, 20, 1, 65535, 1, 1, 1)
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
s.sendto(head(crc32c(head(0) + init)) + init, (sys.argv[1], 0))`;
/** Tells the destination's port, and who sent it. */
const RECEIVE = `
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
s.settimeout(20)
print("ready", flush=True)
packet, peer = s.recvfrom(2048)
at = (packet[0] & 15) * 4
print(struct.unpack("!H", packet[at + 2:at + 4])[0], peer[0], flush=True)`;

test("a published SCTP port leads to the container's, and is closed with it", async () => {
  const root = mkdtempSync(join(lab.dir, "exec-"));
  const records = openRecords(join(root, "berth.db"));
  const log = (): void => undefined;
  const service = openNetworkService({
    helper: helperPath(""),
    records,
    execRoot: root,
    bridge: "berth0",
    poolSize: 0,
    log,
  });
  await service.start(new Set());
  const ports = { "80/sctp": [{ HostPort: "9132" }], "80/tcp": [{ HostPort: "9132" }] };
  const at = await service.attach({ containerId: "a", name: "a", hostname: "a", mode: "bridge", ports });
  expect(at.ports["80/sctp"]).toEqual([{ HostIp: "0.0.0.0", HostPort: "9132" }]);
  const other = { containerId: "b", name: "b", hostname: "b", mode: "bridge", ports };
  await expect(service.attach(other)).rejects.toThrow("port is already allocated");
  const argv = ["nsenter", `--net=${at.netns}`, "python3", "-c", RECEIVE];
  const receiving = Bun.spawn(argv, { stdout: "pipe", stderr: "ignore" });
  const reader = receiving.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let told = "";
  const line = async (count: number): Promise<string> => {
    while (told.split("\n").length <= count) told += (await reader.read()).value ?? "\n\n";
    return told.split("\n")[count - 1] ?? "";
  };
  expect(await line(1)).toBe("ready");
  lab.sh(`python3 -c '${SEND}' 10.9.0.2 9132`, lab.outside);
  expect(await line(2)).toBe("80 10.9.0.1");
  await receiving.exited;
  await service.detach("a");
  expect(lab.sh("nft list map ip berth-berth0 any")).not.toContain("9132");
  await service.stop();
  records.close();
});
