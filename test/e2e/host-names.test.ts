import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import packet from "dns-packet";
import { runOk } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// Names of containers on the host: by asking a loopback address, and in a hosts file.

const flags = ["--host-names", "dns"];
let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start({ flags });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const CLIENT = `
  const socket = require("node:dgram").createSocket("udp4");
  socket.on("message", (reply) => { console.log(reply.toString("base64")); process.exit(0); });
  setTimeout(() => process.exit(1), 5000);
  socket.send(Buffer.from(process.argv[1], "base64"), 53, "127.0.0.111");
`;

/** Asks from the host, once. */
async function ask(name: string): Promise<string | string[]> {
  const query = packet.encode({ type: "query", id: 7, questions: [{ type: "A", name }] }).toString("base64");
  const reply = await runOk(daemon.inNet(process.execPath, "-e", CLIENT, query));
  const decoded = packet.decode(Buffer.from(reply, "base64")) as packet.DecodedPacket & { rcode: string };
  if (decoded.rcode !== "NOERROR") return decoded.rcode;
  return (decoded.answers ?? []).flatMap((a) => ("data" in a ? String(a.data) : [])).sort();
}

const SLEEP = ["busybox", "sleep", "1000"];
const addressOn = (network: string, container: string): Promise<string> =>
  daemon.ok("inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container);

test("at a loopback address: each start, rename, connection and stop is seen by the very next question", async () => {
  await daemon.ok("network", "create", "front");
  const id = await daemon.ok("run", "-d", "--name", "web", ...SLEEP);
  const first = await addressOn("bridge", "web");
  for (const name of ["web", "web.bridge", id.slice(0, 12)]) expect(await ask(`${name}.container`)).toEqual([first]);
  await daemon.ok("network", "connect", "--alias", "www", "front", "web");
  const second = await addressOn("front", "web");
  expect(await ask("www.front.container")).toEqual([second]);
  expect(await ask("web.container")).toEqual([first, second].sort());
  await daemon.ok("rename", "web", "other");
  expect([await ask("web.container"), await ask("other.front.container")]).toEqual(["NXDOMAIN", [second]]);
  // What it is for: the host reaches the container by what it was told; nothing listens there, which only the container can say.
  const knock = `require("node:net").connect(9, "${second}").on("error", (e) => console.log(e.code))`;
  expect(await runOk(daemon.inNet(process.execPath, "-e", knock))).toBe("ECONNREFUSED\n");
  const info = await daemon.ok("info");
  expect(info).toContain("Host Names: NAME.container and NAME.NETWORK.container at 127.0.0.111");
  await daemon.crash();
  await daemon.up();
  expect(await ask("other.bridge.container")).toEqual([first]);
  await daemon.ok("stop", "-t", "0", "other");
  expect([await ask("other.container"), await ask("example.com")]).toEqual(["NXDOMAIN", "REFUSED"]);
  await daemon.ok("start", "other");
  expect(await ask("other.front.container")).toEqual([await addressOn("front", "other")]);
});

test("in a hosts file: it follows, is put right after a kill, and has its old bytes once the daemon has left", async () => {
  const file = join(daemon.root, "hosts");
  writeFileSync(file, "127.0.0.1\tlocalhost\n");
  await daemon.down();
  flags.splice(1, 1, `hosts=${file}`);
  await daemon.up();
  const address = await addressOn("front", "other");
  const has = (name: string): boolean => readFileSync(file, "utf8").includes(`\t${name}.container `);
  const until = (done: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const watcher = watch(daemon.root, () => {
        if (!done()) return;
        watcher.close();
        resolve();
      });
      if (!done()) return;
      watcher.close();
      resolve();
    });
  expect(readFileSync(file, "utf8")).toContain(`${address}\tother.container `);
  await daemon.ok("rename", "other", "third");
  await until(() => has("third") && !has("other"));
  await daemon.crash();
  expect(has("third")).toBe(true);
  const pid = await daemon.up().then(() => daemon.ok("inspect", "-f", "{{.State.Pid}}", "third"));
  await daemon.crash();
  process.kill(Number(pid), "SIGKILL");
  await daemon.up();
  await until(() => !has("third"));
  await daemon.ok("start", "third");
  await until(() => has("third"));
  await daemon.down();
  expect(readFileSync(file, "utf8")).toBe("127.0.0.1\tlocalhost\n");
  await daemon.up();
  await daemon.ok("rm", "-f", "third");
  await daemon.ok("network", "rm", "front");
  await until(() => readFileSync(file, "utf8") === "127.0.0.1\tlocalhost\n");
});
