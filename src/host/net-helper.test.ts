import { afterAll, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeSlot, removeSlots, type Slot } from "../network/netns.ts";
import { NetLab } from "../testing/netlab.ts";
import { helperPath } from "./embedded.ts";
import { type NameQuery, NetHelper } from "./net-helper.ts";

let lab: NetLab;
let bridge: number;
beforeAll(() => {
  lab = new NetLab();
  lab.sh("ip link add name br0 type bridge; ip link set br0 up");
  bridge = Number(lab.sh("cat /sys/class/net/br0/ifindex 2>/dev/null || ip -o link show br0 | cut -d: -f1"));
});
afterAll(() => lab.close());

/** A namespace as a container has it. */
function namespace(): Promise<Slot> {
  return makeSlot(join(lab.dir, "netns"), (link) => [
    {
      link,
      dev: "eth0",
      bridgeIndex: bridge,
      mtu: 1400,
      mac: "02:00:00:00:00:07",
      addresses: [],
      ipv6: false,
      ways: [],
      isolated: false,
    },
  ]);
}

/** The helper's children of this process, by /proc. */
function helpers(): number[] {
  const mine = readFileSync(`/proc/self/task/${process.pid}/children`, "latin1").trim().split(" ").filter(Boolean);
  return mine.map(Number).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0")[1] === "net");
}

const framed = (text: string): Buffer =>
  Buffer.concat([Buffer.from([text.length >> 8, text.length & 255]), Buffer.from(text)]);

/** A client over TCP inside a namespace: what goes in, and what comes out. */
function client(slot: Slot): ChildProcess {
  const code = `const s = require("node:net").connect(53, "127.0.0.11");
    process.stdin.on("data", (b) => s.write(b)); process.stdin.on("end", () => s.end());
    s.on("data", (b) => process.stdout.write(b)); s.on("close", () => process.exit(0)); s.on("error", () => process.exit(3));`;
  return spawn("nsenter", [`--net=${slot.path}`, process.execPath, "-e", code], { stdio: ["pipe", "pipe", "ignore"] });
}

const told = (child: ChildProcess, bytes: number): Promise<Buffer> =>
  new Promise((resolve) => {
    let got = Buffer.alloc(0);
    child.stdout?.on("data", (b: Buffer) => {
      got = Buffer.concat([got, b]);
      if (got.length >= bytes) resolve(got);
    });
    child.once("exit", () => resolve(got));
  });

const ended = (child: ChildProcess): Promise<number | null> => new Promise((resolve) => child.once("exit", resolve));

test("questions come from the namespace that asked, and answers go there; what has left is not asked", async () => {
  const seen: NameQuery[] = [];
  const onQuery = (query: NameQuery): void => {
    seen.push(query);
    query.reply(Buffer.from(`to ${query.place}: ${query.message}`));
  };
  const sockets = new NetHelper({ helper: helperPath(""), onQuery, onChange: () => undefined, log: () => undefined });
  const [one, two] = [await namespace(), await namespace()];
  const [a, b] = await Promise.all([sockets.add(one.path), sockets.add(two.path)]);
  expect(a).not.toBe(b);
  const ask = (slot: Slot) => lab.ask(slot.path, { proto: "udp", host: "127.0.0.11", port: 53 });
  expect(await Promise.all([ask(one), ask(two)])).toEqual([`to ${a}: ?`, `to ${b}: ?`]);
  const tcp = client(two);
  const answer = told(tcp, 2 * (2 + `to ${b}: one`.length));
  tcp.stdin?.write(Buffer.concat([framed("one"), framed("two")]));
  expect(String(await answer)).toContain(`to ${b}: two`);
  tcp.stdin?.end();
  await ended(tcp);
  expect(seen.map((q) => q.via)).toEqual(["udp", "udp", "tcp", "tcp"]);
  sockets.remove(a);
  sockets.remove(a);
  expect(await ask(two)).toBe(`to ${b}: ?`);
  // Nobody listens there any more: a program that asks hears it at once.
  expect(await ended(client(one))).toBe(3);
  // Nothing of it is left in the namespace: it can go.
  const [pid] = helpers();
  const inode = lab.sh("readlink /proc/self/ns/net", one.path).trim();
  expect(readlinkSync(`/proc/${pid}/ns/net`)).not.toBe(inode);
  await sockets.close();
  await removeSlots([one, two]);
});

test("a namespace that is not there is an error that names it; the next one works", async () => {
  const sockets = new NetHelper({
    helper: helperPath(""),
    onQuery: (q) => q.reply(q.message),
    onChange: () => undefined,
    log: () => undefined,
  });
  await expect(sockets.add("/nosuch/netns")).rejects.toThrow(
    "names at 127.0.0.11 in /nosuch/netns: No such file or directory",
  );
  await expect(sockets.add("/etc/hostname")).rejects.toThrow("Invalid argument");
  const slot = await namespace();
  await sockets.add(slot.path);
  expect(await lab.ask(slot.path, { proto: "udp", host: "127.0.0.11", port: 53 })).toBe("?");
  await expect(sockets.add(slot.path)).rejects.toThrow("Address already in use");
  await sockets.close();
  await removeSlots([slot]);
});

test("a helper that cannot live is an error for whoever waits for it", async () => {
  const log: string[] = [];
  const never = new NetHelper({
    helper: "/bin/false",
    onQuery: () => undefined,
    onChange: () => undefined,
    log: (line) => void log.push(line),
  });
  expect(never.add("/nowhere")).rejects.toThrow("names at 127.0.0.11 in /nowhere: the helper ended with 1");
  await never.add("/again").catch(() => undefined);
  expect(log[0]).toBe("network: the helper ended with 1; it is started again");
  await never.close();
});

test("a helper that is killed is followed by one with all places", async () => {
  const logged: string[] = [];
  let again: () => void = () => undefined;
  const restarted = new Promise<void>((resolve) => (again = resolve));
  const log = (line: string): void => {
    logged.push(line);
    again();
  };
  const sockets = new NetHelper({
    helper: helperPath(""),
    onQuery: (q) => q.reply(q.message),
    onChange: () => undefined,
    log,
  });
  const slots = [await namespace(), await namespace()];
  for (const slot of slots) await sockets.add(slot.path);
  const [pid = 0] = helpers();
  process.kill(pid, "SIGKILL");
  await restarted;
  expect(logged).toEqual(["network: the helper ended with SIGKILL; it is started again"]);
  for (const slot of slots) {
    let answer = "";
    for (const deadline = Date.now() + 20_000; answer !== "?" && Date.now() < deadline; )
      answer = await lab.ask(slot.path, { proto: "udp", host: "127.0.0.11", port: 53 });
    expect(answer).toBe("?");
  }
  await sockets.close();
  await removeSlots(slots);
});

test("clients over TCP that stall, break off, ask for much or are many hold up nobody", async () => {
  let asked = 0;
  const onQuery = (q: NameQuery): void => {
    asked++;
    if (q.message.length > 1) q.reply(Buffer.alloc(65_535, 65));
    else q.reply(q.message);
  };
  const sockets = new NetHelper({ helper: helperPath(""), onQuery, onChange: () => undefined, log: () => undefined });
  const slot = await namespace();
  await sockets.add(slot.path);
  // Most of a message; a length of zero; a whole message and its end at once; more connections than one place may have,
  // whether the first one came before them or not.
  const half = client(slot);
  // One that came after the others is turned away, and ends by itself.
  const gone = ended(half);
  half.stdin?.on("error", () => undefined);
  half.stdin?.write(Buffer.from([0xff, 0xff, 1, 2, 3]));
  const many = `const net = require("node:net"); let closed = 0;
    for (let i = 0; i < 80; i++) net.connect(53, "127.0.0.11").on("close", () => { if (++closed === 16) process.exit(0); }).on("error", () => 0);`;
  const crowd = spawn("nsenter", [`--net=${slot.path}`, process.execPath, "-e", many], { stdio: "ignore" });
  expect(await ended(crowd)).toBe(0);
  const big = client(slot);
  const answer = told(big, 65_537);
  big.stdin?.write(framed("much"));
  expect((await answer).length).toBe(65_537);
  big.stdin?.end();
  expect(await ended(big)).toBe(0);
  expect(await lab.ask(slot.path, { proto: "udp", host: "127.0.0.11", port: 53 })).toBe("?");
  expect(asked).toBe(2);
  half.kill("SIGKILL");
  await gone;
  await sockets.close();
  await removeSlots([slot]);
});

test("the helper ends with its parent, and answers rubbish on its input by ending", async () => {
  for (const input of [
    Buffer.alloc(0),
    Buffer.from([5, 0, 0, 0, 9, 0, 0, 0, 0]),
    Buffer.alloc(64, 0xff),
    Buffer.from([1, 0, 0, 0, 1]),
  ]) {
    const child = spawn(helperPath(""), ["net"], { stdio: ["pipe", "ignore", "ignore"] });
    const end = ended(child);
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(input);
    expect(await end).toBe(input.length === 0 ? 0 : 1);
    expect(existsSync(`/proc/${child.pid}`) && readdirSync(`/proc/${child.pid}/fd`).length > 0).toBe(false);
  }
});

test("a process with nothing else to do lives until the helper has ended", async () => {
  const slow = join(lab.dir, "slow-helper");
  writeFileSync(slow, "#!/bin/sh\ncat >/dev/null; sleep 0.2\n", { mode: 0o755 });
  const script = `
    const { NetHelper } = await import(${JSON.stringify(join(import.meta.dir, "net-helper.ts"))});
    const helper = new NetHelper({ helper: ${JSON.stringify(slow)}, onQuery: () => {}, onChange: () => {}, log: () => {} });
    helper.warm();
    void helper.close().then(() => process.stdout.write("closed"));`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  expect((await told(child, "closed".length)).toString()).toBe("closed");
});

test("an answer that is to be kept is asked for once, in its namespace, until it is no longer true", async () => {
  const seen: string[] = [];
  let answer = "one";
  const onQuery = (q: NameQuery): void => {
    seen.push(`${q.place} ${q.message.subarray(2)}`);
    q.reply(Buffer.concat([q.message.subarray(0, 2), Buffer.from(answer)]), true);
  };
  const helper = new NetHelper({ helper: helperPath(""), onQuery, onChange: () => undefined, log: () => undefined });
  const slots = [await namespace(), await namespace()];
  const [a = 0, b = 0] = await Promise.all(slots.map((slot) => helper.add(slot.path)));
  const asking = slots.map((slot) => questions(slot));
  const ask = async (of: number, text: string): Promise<string> => String(await asking[of]?.ask(text));
  expect([await ask(0, "1 name"), await ask(0, "2 name"), await ask(0, "3 other")]).toEqual([
    "1 one",
    "2 one",
    "3 one",
  ]);
  expect(await ask(1, "4 name")).toBe("4 one");
  expect(seen).toEqual([`${a} name`, `${a} other`, `${b} name`]);
  // At once: what was said before a question was asked counts for it.
  for (let i = 0; i < 200; i++) {
    answer = `answer ${i}`;
    helper.forget();
    expect(await ask(0, `${i % 10} name`)).toBe(`${i % 10} answer ${i}`);
  }
  // A place's number may be another's later.
  helper.remove(b);
  answer = "later";
  expect(await ask(0, "5 name")).toBe("5 later");
  for (const { end } of asking) await end();
  await helper.close();
  await removeSlots(slots);
});

/** Asks over UDP inside a namespace, again and again from one program. A question is a character, a space, and text: the first two are its id. */
function questions(slot: Slot): { ask: (text: string) => Promise<string>; end: () => Promise<void> } {
  const code = `const s = require("node:dgram").createSocket("udp4");
    s.on("message", (m) => process.stdout.write(m + "\\n"));
    process.stdin.on("data", (b) => { for (const line of String(b).trim().split("\\n")) s.send(line, 53, "127.0.0.11"); });
    process.stdin.on("end", () => process.exit(0));`;
  const child = spawn("nsenter", [`--net=${slot.path}`, process.execPath, "-e", code], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  return {
    ask: (text) =>
      new Promise((resolve) => {
        child.stdout?.once("data", (b: Buffer) => resolve(String(b).trim()));
        child.stdin?.write(`${text}\n`);
      }),
    end: async () => {
      const over = ended(child);
      child.stdin?.end();
      await over;
    },
  };
}
