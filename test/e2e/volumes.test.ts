import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, runOk } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// What Berth can do with volumes that Docker cannot: another name, a copy, in and out as a tar.

let daemon: TestDaemon;
let scratch: string;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  scratch = mkdtempSync(join(tmpdir(), "volumes-"));
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

const within = (volume: string, script: string): Promise<string> =>
  daemon.ok("run", "--rm", "-v", `${volume}:/v`, "busybox", "sh", "-ec", script);
/** Everything that a copy has to keep. */
const FILL = `cd /v; echo data >file; chmod 4751 file; chown 12:34 file; ln file hard; ln -s file soft; mkdir -p d/e; chown 56 d
  mkfifo pipe; touch -d 2001-02-03 d/e; truncate -s 64M sparse; echo end >>sparse; chmod 1777 .; chown 7:8 .`;
const LIST = `cd /v; find . | sort | while read f; do stat -c '%n %F %a %u:%g %h %s' "$f"; done; cat hard; readlink soft; stat -c %Y d/e`;
const refused = async (...argv: string[]): Promise<string> => {
  const { code, stderr } = await daemon.berth(...argv);
  expect(code).toBe(1);
  return stderr.replace("Error response from daemon: ", "").trim();
};
const names = (): Promise<string> => daemon.ok("volume", "ls", "-q");
const folder = (volume: string): string => join(daemon.root, "data/volumes", volume, "_data");

test("a clone has all that the volume had, its labels too, and is its own", async () => {
  await daemon.ok("volume", "create", "--label", "kept=1", "--label", "both=old", "first");
  await within("first", FILL);
  expect(await daemon.ok("volume", "clone", "--label", "both=new", "first", "second")).toBe("second");
  const listed = await within("first", LIST);
  expect(await within("second", LIST)).toBe(listed);
  expect(statSync(join(folder("second"), "sparse")).blocks * 512).toBeLessThan(1 << 20);
  expect(JSON.parse(await daemon.ok("volume", "inspect", "-f", "{{json .Labels}}", "second"))).toEqual({
    kept: "1",
    both: "new",
  });
  await within("second", "rm -r /v/d; echo more >>/v/file");
  expect(await within("first", LIST)).toBe(listed);
  expect(await refused("volume", "clone", "first", "second")).toBe("clone first: volume second already exists");
  expect(await refused("volume", "clone", "nosuch", "third")).toContain("get nosuch: no such volume");
  expect(await refused("volume", "clone", "first", "../x")).toContain("includes invalid characters");
  expect(await names()).toBe("first\nsecond");
  await daemon.ok("volume", "rm", "second");
});

test("exported and imported it is the same: by file, by pipe, compressed", async () => {
  const listed = await within("first", LIST);
  const file = join(scratch, "first.tar");
  await daemon.ok("volume", "export", "-o", file, "first");
  expect(await runOk(["tar", "tf", file])).toContain("d/e/");
  await runOk(["gzip", "-k", file]);
  for (const from of [file, `${file}.gz`]) {
    expect(await daemon.ok("volume", "import", "again", from)).toBe("again");
    expect(await within("again", LIST)).toBe(listed);
    await daemon.ok("volume", "rm", "again");
  }
  const piped = `dist/berth -H unix://${daemon.socket} volume export first | dist/berth -H unix://${daemon.socket} volume import piped`;
  expect((await runOk(["sh", "-c", piped])).trim()).toBe("piped");
  expect(await within("piped", LIST)).toBe(listed);
  // Over what is there only when asked.
  expect(await refused("volume", "import", "piped", file)).toContain("import piped: the volume is not empty");
  await within("piped", "rm /v/file; echo other >/v/other");
  await daemon.ok("volume", "import", "--merge", "piped", file);
  expect(await within("piped", "cat /v/file /v/other")).toBe("data\nother");
  await daemon.ok("volume", "rm", "piped");
});

test("what is no tar, breaks off, or would lead out leaves no volume and nothing outside", async () => {
  const tar = readFileSync(join(scratch, "first.tar"));
  const hostile = join(scratch, "hostile.tar");
  writeFileSync(join(scratch, "evil"), "evil");
  await runOk(["tar", "-C", scratch, "-cf", hostile, "--transform", "s,^,../../,", "evil"]);
  writeFileSync(join(scratch, "junk"), Buffer.alloc(4096, 7));
  writeFileSync(join(scratch, "short"), tar.subarray(0, tar.length / 2 - 100));
  for (const name of ["junk", "short", "nosuchfile"])
    expect((await daemon.berth("volume", "import", "bad", join(scratch, name))).code).toBe(1);
  await daemon.berth("volume", "import", "bad", hostile);
  await daemon.berth("volume", "rm", "bad");
  expect(await names()).toBe("first");
  expect(readdirSync(join(daemon.root, "data/volumes"))).not.toContain("evil");
  expect(existsSync(join(daemon.root, "data/evil"))).toBe(false);
  expect(await refused("volume", "export", "nosuch")).toContain("get nosuch: no such volume");
});

test("renamed while a container has it: it stays mounted, and everything names the new one, after a restart too", async () => {
  await daemon.ok("run", "-d", "--name", "user", "-v", "first:/v", "busybox", "sleep", "1000");
  const mount = `type=volume,src=first,dst=/w`;
  await daemon.ok("create", "--name", "stopped", "--mount", mount, "busybox", "cat", "/w/file");
  await daemon.ok("volume", "rename", "first", "renamed");
  expect(await names()).toBe("renamed");
  expect(await daemon.ok("exec", "user", "cat", "/v/file")).toBe("data");
  await daemon.ok("exec", "user", "sh", "-c", "echo later >/v/later");
  expect(readFileSync(join(folder("renamed"), "later"), "utf8")).toBe("later\n");
  const format = "{{json .HostConfig.Binds}} {{range .Mounts}}{{.Name}} {{.Source}}{{end}}";
  expect(await daemon.ok("inspect", "-f", format, "user")).toBe(`["renamed:/v"] renamed ${folder("renamed")}`);
  expect(await daemon.ok("start", "-a", "stopped")).toBe("data");
  expect(await refused("volume", "rm", "renamed")).toContain("volume is in use");
  await daemon.ok("restart", "-t", "0", "user");
  expect(await daemon.ok("exec", "user", "cat", "/v/later")).toBe("later");
  const events = await daemon.ok(
    "events",
    "--since",
    "1",
    "--until",
    "0s",
    "--filter",
    "event=rename",
    "--filter",
    "type=volume",
  );
  expect(events).toContain("volume rename renamed (driver=local, oldName=first)");
  await daemon.ok("volume", "create", "taken");
  expect(await refused("volume", "rename", "renamed", "taken")).toBe("rename renamed: volume taken already exists");
  expect(await refused("volume", "rename", "nosuch", "other")).toContain("get nosuch: no such volume");
  expect(await refused("volume", "rename", "renamed", "a/b")).toContain("includes invalid characters");
  await daemon.ok("rm", "-f", "user", "stopped");
  await daemon.ok("volume", "rm", "renamed", "taken");
});

test("a volume that is mounted from elsewhere is copied out of what is mounted, and renamed when nobody has it", async () => {
  const device = join(scratch, "device");
  await runOk(["mkdir", device]);
  writeFileSync(join(device, "inside"), "from the device\n");
  await daemon.ok(...["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", `device=${device}`, "bound"]);
  await daemon.ok("run", "-d", "--name", "holder", "-v", "bound:/v", "busybox", "sleep", "1000");
  expect(await refused("volume", "rename", "bound", "other")).toContain("is mounted for container holder");
  await daemon.ok("volume", "clone", "bound", "copied");
  expect(await within("copied", "cat /v/inside")).toBe("from the device");
  await daemon.ok("rm", "-f", "holder");
  await daemon.ok("volume", "rename", "bound", "other");
  expect(await within("other", "cat /v/inside")).toBe("from the device");
  await daemon.ok("volume", "rm", "other", "copied");
  expect((await run(["grep", "-c", `${daemon.root}/data/volumes`, "/proc/mounts"])).stdout.trim()).toBe("0");
});

test("a kill of the daemon in the middle of an import or a clone leaves no volume", async () => {
  await daemon.ok("volume", "create", "big");
  await within("big", "cd /v; for i in $(seq 40); do head -c 5000000 /dev/urandom >f$i; done");
  const cloning = daemon.berth("volume", "clone", "big", "half");
  while (!existsSync(join(daemon.root, "data/volumes/half"))) await Bun.sleep(1);
  await daemon.crash();
  await cloning;
  await daemon.up();
  expect(await names()).toBe("big");
  const argv = ["dist/berth", "-H", `unix://${daemon.socket}`, "volume", "import", "half"];
  const importing = Bun.spawn(argv, { stdin: "pipe", stdout: "ignore", stderr: "ignore" });
  importing.stdin.write(readFileSync(join(scratch, "first.tar")).subarray(0, 200_000));
  await importing.stdin.flush();
  while (!existsSync(join(folder("half"), "file"))) await Bun.sleep(5);
  // Until it is whole nobody else can have it.
  for (const argv of [
    ["rm", "half"],
    ["rename", "half", "other"],
    ["import", "half", join(scratch, "first.tar")],
    ["create", "half"],
  ])
    expect(await refused("volume", ...argv)).toContain("half: the volume is still being made");
  await daemon.crash();
  importing.kill("SIGKILL");
  await importing.exited;
  await daemon.up();
  expect(await names()).toBe("big");
});
