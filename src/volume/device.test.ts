import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readIfThere } from "../host/files.ts";
import { selfCommand } from "../host/self.ts";
import { MNT, MS, mount, umount2 } from "../host/sys.ts";
import { openRecords } from "../store/records.ts";
import type { Records } from "../store/types.ts";
import { parseMountOptions, withoutPasswords } from "./mount-options.ts";
import { openVolumeService } from "./service.ts";
import type { VolumeService } from "./types.ts";

// Devices of the local driver: real mounts, and a real file system whose server never answers (FUSE with nobody at the other end).

const HUNG_MS = 2500;
const FUSE = existsSync("/dev/fuse");

let dir: string;
let records: Records;
let service: VolumeService;
let silent: string;
let server: number;

beforeAll(() => {
  if (!FUSE) return;
  silent = mkdtempSync(join(tmpdir(), "silent-"));
  server = openSync("/dev/fuse", "r+");
  mount({ source: "silent", target: silent, type: "fuse", data: `fd=${server},rootmode=40000,user_id=0,group_id=0` });
});
afterAll(() => {
  if (!FUSE) return;
  closeSync(server);
  umount2(silent, MNT.DETACH);
  rmSync(silent, { recursive: true });
});
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "devices-"));
  records = openRecords(join(dir, "berth.db"));
  service = open();
});
afterEach(() => {
  records.close();
  rmSync(dir, { recursive: true, force: true });
});

const open = (limit: { mountTimeoutMs?: number } = {}): VolumeService =>
  openVolumeService({ root: join(dir, "volumes"), records, ...limit });

const mountsBelow = (path: string): string[] =>
  readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.split(" ")[4]?.startsWith(`${path}/`));

/** Of this process's workers that mount, the arguments. */
function workers(): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      if (!/^\d+$/.test(pid) || !readFileSync(`/proc/${pid}/stat`, "utf8").includes(` ${process.pid} `)) return [];
      const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return argv.includes("worker\0mount\0") ? [argv] : [];
    } catch {
      return []; // It has ended meanwhile.
    }
  });
}

async function refusal(name: string, options: Record<string, string>): Promise<string> {
  service.create({ name, options });
  const error = await service.hold(name, "c1").then(
    () => new Error("it was mounted"),
    (e: unknown) => e,
  );
  expect(mountsBelow(join(dir, "volumes", name))).toEqual([]);
  expect(readdirSync(join(dir, "volumes", name))).toEqual(["_data"]);
  return error instanceof Error ? error.message : String(error);
}

test.each<[string, Record<string, string>, string]>([
  ["of no such type", { type: "nosuch", device: "/x" }, "mount /x:PATH: no such device"],
  ["of nothing", { type: "nfs", device: "" }, "missing device in volume options"],
  [
    "that is not there",
    { type: "none", device: "/nosuch", o: "bind" },
    "mount /nosuch:PATH, flags: 0x1000: no such file or directory",
  ],
  ["that is no disk", { type: "ext4", device: "/dev/null" }, "mount /dev/null:PATH: block device required"],
  [
    "with a bad option",
    { type: "tmpfs", device: "t", o: "size=banana" },
    "mount t:PATH, data: size=banana: invalid argument",
  ],
  [
    "with a word of fstab's, which is the file system's here",
    { type: "tmpfs", device: "t", o: "user=bob" },
    "mount t:PATH, data: user=bob: invalid argument",
  ],
  [
    "with a password, by a server's name",
    { type: "nosuch", device: "//localhost/x", o: "ro,username=u,password=hunter2,soft" },
    "mount //localhost/x:PATH, flags: 0x1, data: username=u,password=********,soft: no such device",
  ],
])("a device %s is refused in Docker's words", async (_, options, words) => {
  const path = join(dir, "volumes/data/_data");
  const failed = words.startsWith("mount ") ? `failed to mount local volume: ${words.replace("PATH", path)}` : words;
  expect(await refusal("data", options)).toBe(`error while mounting volume '${path}': ${failed}`);
});

test("servers by name: their addresses are what is mounted, and one without is named", async () => {
  service = open({ mountTimeoutMs: HUNG_MS });
  // The last word that no file system knows keeps a kernel that has both from going on.
  const bad = "no-such-option";
  expect(await refusal("nfs", { type: "nfs", device: ":/x", o: `addr=localhost,${bad}` })).toContain(
    `data: addr=127.0.0.1,${bad}: `,
  );
  expect(await refusal("share", { type: "cifs", device: "//localhost/x", o: bad })).toContain(`mount //127.0.0.1/x:`);
  expect(await refusal("lost", { type: "nfs", device: ":/x", o: "addr=nosuch.invalid" })).toMatch(
    /: error resolving passed in network volume address: lookup nosuch\.invalid: (no such host|no .*answer.*)$/,
  );
});

test.if(FUSE)(
  "a device whose server does not answer: said in time, nothing mounted, the worker gone, others go on",
  async () => {
    service = open({ mountTimeoutMs: HUNG_MS });
    const device = `${silent}/folder`;
    const path = join(dir, "volumes/hung/_data");
    const hung = refusal("hung", { type: "none", device, o: "bind" });
    service.create({ name: "other", options: { type: "tmpfs", device: "t" } });
    await service.hold("other", "c2");
    expect(mountsBelow(dir)).toHaveLength(1);
    await service.release("other", "c2");
    expect(await hung).toBe(
      `error while mounting volume '${path}': failed to mount local volume: mount ${device}:${path}, flags: 0x1000: no answer within 2.5 seconds`,
    );
    while (workers().length > 0) await Bun.sleep(5);
    await service.remove("hung", { force: false, usedBy: [] });
    expect(existsSync(join(dir, "volumes/hung"))).toBe(false);
  },
);

test.if(FUSE)("a device mounted that does not answer is no volume, unless the daemon found it so", async () => {
  service = open({ mountTimeoutMs: HUNG_MS / 2 });
  const late = "no answer within 1.25 seconds";
  expect(await refusal("hung", { type: "none", device: silent, o: "bind" })).toContain(late);
  mount({ source: silent, target: service.path("hung"), flags: MS.BIND });
  await service.hold("hung", "c1");
  await service.releaseOthers();
  const before = performance.now();
  const later = await Promise.allSettled(["c2", "c3", "c4", "c5", "c6"].map((user) => service.hold("hung", user)));
  expect(performance.now() - before).toBeLessThan(2 * HUNG_MS);
  for (const each of later) expect(each.status === "rejected" && String(each.reason)).toContain(late);
  expect(mountsBelow(dir)).toHaveLength(1);
  await service.release("hung", "c1");
  expect(mountsBelow(dir)).toEqual([]);
});

test.if(FUSE)("a daemon that is killed takes the worker that hangs with it", async () => {
  const target = join(dir, "target");
  mkdirSync(target);
  const job = { device: `${silent}/x`, target, type: "none", flags: MS.BIND, propagation: 0, data: "" };
  const daemon = `
    const { spawn } = require("node:child_process");
    const [file, ...args] = ${JSON.stringify(selfCommand("worker", "mount"))};
    const child = spawn(file, args, { stdio: ["pipe", "ignore", "ignore"] });
    child.stdin.end(JSON.stringify({ ...${JSON.stringify(job)}, parent: process.pid }));
    console.log(child.pid);
    setInterval(() => undefined, 1000);
  `;
  const parent = spawn(process.execPath, ["-e", daemon], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const worker = `/proc/${line.toString().trim()}`;
  while (!/\) D /.test(readIfThere(`${worker}/stat`) ?? "")) await Bun.sleep(5);
  parent.kill("SIGKILL");
  while (/\) [^ZX] /.test(readIfThere(`${worker}/stat`) ?? "")) await Bun.sleep(5);
  expect(mountsBelow(dir)).toEqual([]);
});

test("options: a bind read-only, propagation, flags of the mount", async () => {
  const device = join(dir, "device");
  mkdirSync(device);
  service.create({ name: "bound", options: { type: "none", device, o: "bind,ro" } });
  service.create({ name: "memory", options: { type: "tmpfs", device: "t", o: "defaults,size=64k,noexec,shared" } });
  await service.hold("bound", "c1");
  await service.hold("memory", "c1");
  const [bound = "", memory = ""] = ["bound", "memory"].map((n) => mountsBelow(join(dir, "volumes", n))[0] ?? "");
  expect(bound).toMatch(/_data ro,/);
  expect(memory).toMatch(/_data rw,noexec,relatime shared:\d+ .*size=64k/);
  await service.release("bound", "c1");
  await service.release("memory", "c1");
  expect(mountsBelow(dir)).toEqual([]);
});

test.each<[string, { flags: number; propagation: number; data: string }]>([
  ["", { flags: 0, propagation: 0, data: "" }],
  ["defaults", { flags: 0, propagation: 0, data: "" }],
  ["ro,nosuid,rw,a=b,,c", { flags: MS.NOSUID, propagation: 0, data: "a=b,c" }],
  ["rbind,rslave", { flags: MS.BIND | MS.REC, propagation: MS.SLAVE | MS.REC, data: "" }],
  ["toString,constructor", { flags: 0, propagation: 0, data: "toString,constructor" }],
])("o=%s", (o, parsed) => {
  expect(parseMountOptions(o)).toEqual(parsed);
});

test("no password in a message", () => {
  expect(withoutPasswords("password=a b,pass=c,PASSWD=d,password2=e,bypass=f")).toBe(
    "password=********,pass=********,PASSWD=********,password2=********,bypass=f",
  );
});
