import { afterAll, beforeAll, expect, test } from "bun:test";
import packet from "dns-packet";
import { runOk } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// A client that asks from the same address and port as another did shortly before is led by the kernel where that one was led.

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

/** Asks the network's gateway for a name, from port 40404 of a container's network. */
async function ask(container: string, name: string): Promise<string[]> {
  const format = "{{.State.Pid}}{{range .NetworkSettings.Networks}} {{.Gateway}}{{end}}";
  const [pid = "", gateway = ""] = (await daemon.ok("inspect", "-f", format, container)).split(" ");
  const query = packet.encode({ type: "query", id: 7, questions: [{ type: "A", name }] }).toString("base64");
  const argv = ["nsenter", "-t", pid, "-n", process.execPath, "-e", CLIENT, query, gateway];
  const reply = packet.decode(Buffer.from(await runOk(argv), "base64"));
  return (reply.answers ?? []).flatMap((a) => ("data" in a ? String(a.data) : []));
}

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
