import { afterAll, beforeAll, expect, test } from "bun:test";
import packet from "dns-packet";
import { runOk } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// Names where containers ask for them, at 127.0.0.11: at once after each change, over a daemon's death, and past the host's firewall.

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const CLIENT = `
  const socket = require("node:dgram").createSocket("udp4");
  socket.on("message", (reply) => { console.log(reply.toString("base64")); process.exit(0); });
  setTimeout(() => process.exit(1), 5000);
  socket.bind(40404, () => socket.send(Buffer.from(process.argv[1], "base64"), 53, process.argv[2]));
`;

/** Asks for a name, from port 40404 of a container's network. */
async function ask(container: string, name: string, type: "A" | "AAAA" | "PTR" = "A"): Promise<string[]> {
  const pid = await daemon.ok("inspect", "-f", "{{.State.Pid}}", container);
  const query = packet.encode({ type: "query", id: 7, questions: [{ type, name }] }).toString("base64");
  const argv = ["nsenter", "-t", pid, "-n", process.execPath, "-e", CLIENT, query, "127.0.0.11"];
  const reply = packet.decode(Buffer.from(await runOk(argv), "base64"));
  return (reply.answers ?? []).flatMap((a) => ("data" in a ? String(a.data) : []));
}

const SLEEP = ["busybox", "sleep", "1000"];
const addressOf = (container: string): Promise<string> =>
  daemon.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", container);

async function up(): Promise<void> {
  await daemon.ok("network", "create", "--subnet", "10.77.0.0/24", "again");
  await daemon.ok("run", "-d", "--name", "asking", "--network", "again", "busybox", "sleep", "1000");
}

test("names are answered at once on a network that takes another's place, and by a daemon that follows a killed one", async () => {
  await up();
  expect(await ask("asking", "asking")).toEqual(["10.77.0.2"]);
  await daemon.ok("rm", "-f", "asking");
  await daemon.ok("network", "rm", "again");
  await up();
  expect(await ask("asking", "asking")).toEqual(["10.77.0.2"]);
  await daemon.crash();
  await daemon.up();
  expect(await ask("asking", "asking")).toEqual(["10.77.0.2"]);
});

test("on the default bridge containers have names: name, short id, host name; they follow what happens at once", async () => {
  const id = await daemon.ok("run", "-d", "--name", "plain-a", "--hostname", "hosted", ...SLEEP);
  await daemon.ok("run", "-d", "--name", "plain-b", ...SLEEP);
  const address = await addressOf("plain-a");
  for (const name of ["plain-a", "PLAIN-A", "hosted", id.slice(0, 12), "plain-a.bridge"])
    expect(await ask("plain-b", name)).toEqual([address]);
  expect(await ask("plain-b", "plain-a", "AAAA")).toEqual([]);
  expect(await ask("plain-b", `${address.split(".").reverse().join(".")}.in-addr.arpa`, "PTR")).toEqual([
    "plain-a.bridge",
  ]);
  // By the C library as well, and what is shown stays as in Docker.
  expect(await daemon.ok("exec", "plain-b", "ping", "-c", "1", "plain-a")).toContain(`(${address})`);
  expect(await daemon.ok("inspect", "-f", "{{json .NetworkSettings.Networks.bridge.DNSNames}}", "plain-a")).toBe(
    "null",
  );
  await daemon.ok("rename", "plain-a", "plain-c");
  expect(await ask("plain-b", "plain-c")).toEqual([address]);
  expect(await ask("plain-b", "plain-a")).toEqual([]);
  await daemon.ok("stop", "plain-c");
  expect(await ask("plain-b", "plain-c")).toEqual([]);
  await daemon.ok("start", "plain-c");
  expect(await ask("plain-b", "plain-c")).toEqual([await addressOf("plain-c")]);
  await daemon.crash();
  await daemon.up();
  expect(await ask("plain-b", "plain-c")).toEqual([await addressOf("plain-c")]);
  await daemon.ok("rm", "-f", "plain-b", "plain-c");
});

test("the host's servers stand behind ours on the default bridge, for when no daemon is there; `--dns` is kept", async () => {
  const servers = async (...flags: string[]): Promise<string[]> => {
    const text = await daemon.ok("run", "--rm", ...flags, "busybox", "cat", "/etc/resolv.conf");
    return [...text.matchAll(/^nameserver (.*)$/gm)].map(([, server]) => server ?? "");
  };
  const [first, ...more] = await servers();
  expect(first).toBe("127.0.0.11");
  expect(more.length).toBeGreaterThan(0);
  expect(await servers("--dns", "192.0.2.1", "--dns", "192.0.2.2")).toEqual(["127.0.0.11", "192.0.2.1", "192.0.2.2"]);
  expect(await servers("--network", "none", "--dns", "192.0.2.1")).toEqual(["192.0.2.1"]);
});

test("a host's firewall that lets nothing in does not stop names, nor does a container's own name server on port 53", async () => {
  await runOk(
    daemon.inNet(
      "nft",
      "add table inet strict; add chain inet strict input { type filter hook input priority 0; policy drop; }",
    ),
  );
  await daemon.ok("network", "create", "walled");
  for (const network of ["bridge", "walled"]) {
    const serving = ["sh", "-c", "nc -u -l -p 53 >/dev/null & nc -l -p 53 >/dev/null & sleep 1000"];
    await daemon.ok("run", "-d", "--name", "walled-a", "--network", network, "busybox", ...serving);
    await daemon.ok("run", "-d", "--name", "walled-b", "--network", network, ...SLEEP);
    const format = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
    const address = await daemon.ok("inspect", "-f", format, "walled-b");
    expect(await ask("walled-a", "walled-b")).toEqual([address]);
    expect(await daemon.ok("exec", "walled-a", "pidof", "nc")).toMatch(/^\d+ \d+$/);
    await daemon.ok("rm", "-f", "walled-a", "walled-b");
  }
  await daemon.ok("network", "rm", "walled");
  await runOk(daemon.inNet("nft", "delete table inet strict"));
});
