import { dlopen } from "bun:ffi";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where a program of the lab runs: the path of a network namespace, or undefined for the lab's own, the "host". */
export type Place = string | undefined;

/** An echo service, or a question to one. `host` is an IPv4 address. */
export interface Talk {
  proto?: "tcp" | "udp";
  host?: string;
  port: number;
  /** The asking socket's own port. Default: any. */
  from?: number;
}

const CLONE_NEWNET = 0x40000000;
const WAIT_MS = 1500;

/** Says its name and who asked, once it is asked. */
const SERVER = `
const [proto, host, port, name] = process.argv.slice(-4);
const ready = () => console.log("ready");
if (proto === "tcp") require("node:net").createServer((s) => s.end(name + " " + s.remoteAddress)).listen(+port, host, ready);
else {
  const s = require("node:dgram").createSocket("udp4");
  s.on("message", (m, peer) => s.send(name + " " + peer.address, peer.port, peer.address));
  s.bind(+port, host, ready);
}`;
const CLIENT = `
const [proto, host, port, wait, from] = process.argv.slice(-5);
const done = (text) => { process.stdout.write(text); process.exit(0); };
setTimeout(() => done("timeout"), +wait);
if (proto === "tcp") {
  const s = require("node:net").connect(+port, host);
  let all = "";
  s.on("data", (b) => (all += b)); s.on("end", () => done(all)); s.on("error", (e) => done(e.code));
} else {
  const s = require("node:dgram").createSocket("udp4");
  s.on("message", (m) => done(String(m))); s.on("error", (e) => done(e.code));
  s.bind(+from, () => s.send("?", +port, host));
}`;

/**
 * A host of its own for network tests: this thread moves into a fresh network namespace, in which everything that the
 * test calls or spawns then runs, with `eth0` (10.9.0.2/24, MTU 1400, default route) and beyond it an outside machine at
 * 10.9.0.1 whose namespace is `outside`. `close` goes back and leaves nothing.
 */
export class NetLab {
  readonly dir = mkdtempSync(join(tmpdir(), "netlab-"));
  readonly outside = join(this.dir, "outside");
  readonly #home = openSync("/proc/thread-self/ns/net", "r");
  readonly #libc = dlopen("libc.so.6", {
    unshare: { args: ["i32"], returns: "i32" },
    setns: { args: ["i32", "i32"], returns: "i32" },
  }).symbols;
  readonly #children: ChildProcess[] = [];

  constructor() {
    if (this.#libc.unshare(CLONE_NEWNET) !== 0) throw new Error("unshare(CLONE_NEWNET) failed: tests run as root");
    writeFileSync(this.outside, "");
    this.sh(`ip link set lo up; unshare --net=${this.outside} true`);
    this.#wireOutside();
  }

  /** Runs a shell script on the "host" and returns its output; throws where it fails. */
  sh(script: string, place?: Place): string {
    const argv = [...into(place), "sh", "-ec", script];
    return execFileSync(argv[0] ?? "", argv.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  /** Starts an echo service that answers `<name> <address of who asked>`; resolves when it listens. */
  async serve(place: Place, name: string, { proto = "tcp", host = "0.0.0.0", port }: Talk): Promise<ChildProcess> {
    const child = start(place, SERVER, [proto, host, String(port), name]);
    this.#children.push(child);
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once("data", () => resolve());
      child.once("exit", () => reject(new Error(`the service ${name} did not start`)));
    });
    return child;
  }

  /** Asks a service; the answer, `timeout`, or the error's code. */
  ask(place: Place, { proto = "tcp", host = "127.0.0.1", port, from = 0 }: Talk, wait = WAIT_MS): Promise<string> {
    const child = start(place, CLIENT, [proto, host, String(port), String(wait), String(from)]);
    let answer = "";
    child.stdout?.on("data", (b: Buffer) => (answer += b));
    return new Promise((resolve) => child.once("close", () => resolve(answer)));
  }

  /** Names of the links that the "host" has, and its nft tables: what a test compares before and after. */
  traces(): { links: string[]; tables: string[]; mounts: string[] } {
    const names = this.sh("ip -o link").match(/(?<=^\d+: )[^:@]+/gm) ?? [];
    const tables = this.sh("nft list tables").trim().split("\n").filter(Boolean);
    const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
    return { links: names, tables, mounts: mounts.filter((m) => m.includes(`${this.dir}/`)) };
  }

  /** Ends all services. */
  async endServices(): Promise<void> {
    await Promise.all(this.#children.splice(0).map(end));
  }

  /** Ends what was started here and returns to the namespace that the tests came from. */
  async close(): Promise<void> {
    await this.endServices();
    const mine = readFileSync("/proc/self/mounts", "utf8").match(new RegExp(`(?<= )${this.dir}/\\S+`, "gm")) ?? [];
    this.sh(`umount -l ${mine.join(" ")}`);
    this.#libc.setns(this.#home, CLONE_NEWNET);
    closeSync(this.#home);
    rmSync(this.dir, { recursive: true, force: true });
  }

  #wireOutside(): void {
    const inside = `
      ip link add name out0 netns ${process.pid} mtu 1400 type veth peer name eth0 mtu 1400
      ip link set lo up
      ip address add 10.9.0.1/24 dev eth0
      ip link set eth0 up`;
    this.sh(inside, this.outside);
    this.sh(`
      ip link set out0 name eth0
      ip address add 10.9.0.2/24 dev eth0
      ip link set eth0 up
      ip route add default via 10.9.0.1`);
  }
}

function into(place: Place): string[] {
  return place === undefined ? [] : ["nsenter", `--net=${place}`];
}

function start(place: Place, code: string, args: string[]): ChildProcess {
  const argv = [...into(place), process.execPath, "-e", code, ...args];
  return spawn(argv[0] ?? "", argv.slice(1), { stdio: ["ignore", "pipe", "ignore"] });
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill("SIGKILL");
  });
}
