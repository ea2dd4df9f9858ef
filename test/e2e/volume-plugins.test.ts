import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestDaemon } from "../../src/testing/daemon.ts";
import { VolumePlugin } from "../../src/testing/volume-plugin.ts";

// A real volume plugin on a unix socket, well and ill. What dockerd asks of it and says of it was recorded from the real one.

let daemon: TestDaemon;
let scratch: string;
let plugin: VolumePlugin;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "plugins-"));
  mkdirSync(join(scratch, "dir"));
  plugin = new VolumePlugin(join(scratch, "tp.sock"), join(scratch, "volumes"));
  writeFileSync(join(scratch, "dir/tp.spec"), `unix://${plugin.socket}\n`);
  daemon = await TestDaemon.start({ flags: ["--plugin-dir", join(scratch, "dir"), "--plugin-timeout", "1"] });
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await plugin[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});
beforeEach(() => {
  plugin.misbehave.clear();
  plugin.calls.length = 0;
});

const asked = (...methods: string[]): string[] => {
  const all = plugin.calls.map(({ method }) => method);
  return methods.length === 0 ? all : all.filter((method) => methods.includes(method));
};
const refused = async (...argv: string[]): Promise<string> => {
  const { code, stderr } = await daemon.docker(...argv);
  expect(code).not.toBe(0);
  return (stderr.split("\n")[0] ?? "").replace(/^(docker: )?Error response from daemon: /, "");
};
const SLEEP = ["busybox", "sleep", "1000"];

test("a volume of a plugin: made, shown, used, kept over a restart, removed; the plugin is asked as by dockerd", async () => {
  expect(await daemon.ok("volume", "create", "-d", "tp", "-o", "a=b", "--label", "l=1", "pv1")).toBe("pv1");
  expect(asked()).toEqual(["Plugin.Activate", "Capabilities", "Get", "Create", "Get"]);
  expect(plugin.calls[3]?.body).toEqual({ Name: "pv1", Opts: { a: "b" } });
  expect(JSON.parse((await daemon.docker("volume", "inspect", "pv1")).stdout)).toEqual([
    {
      CreatedAt: "2020-01-02T03:04:05Z",
      Driver: "tp",
      Labels: { l: "1" },
      Mountpoint: join(scratch, "volumes/pv1"),
      Name: "pv1",
      Options: { a: "b" },
      Scope: "global",
      Status: { options: { a: "b" } },
    },
  ]);
  expect(await daemon.ok("volume", "ls", "-q", "--filter", "driver=tp")).toBe("pv1");
  expect((await daemon.docker("info", "-f", "{{.Plugins.Volume}}")).stdout).toBe("[local tp]\n");
  plugin.calls.length = 0;
  expect(await daemon.ok("run", "--rm", "-v", "pv1:/d", "busybox", "sh", "-c", "echo x >/d/f; ls /d")).toBe("f");
  expect(readFileSync(join(scratch, "volumes/pv1/f"), "utf8")).toBe("x\n");
  await plugin.asked("Unmount");
  const [mount, unmount] = ["Mount", "Unmount"].map((name) => plugin.calls.find((c) => c.method === name)?.body);
  expect(mount).toEqual({ Name: "pv1", ID: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(unmount).toEqual(mount);
  const id = await daemon.ok("run", "-d", "--name", "user", "-v", "pv1:/d", "--volume-driver", "tp", ...SLEEP);
  const format = "{{range .Mounts}}{{.Driver}} {{.Source}}{{end}}";
  expect(await daemon.ok("inspect", "-f", format, "user")).toBe(`tp ${join(scratch, "volumes/pv1")}`);
  expect(await refused("volume", "rm", "pv1")).toContain("volume is in use");
  // A daemon that follows a killed one mounts nothing twice, and unmounts nothing that is in use.
  plugin.calls.length = 0;
  await daemon.crash();
  await daemon.up();
  expect(await daemon.ok("exec", "user", "cat", "/d/f")).toBe("x");
  await daemon.ok("restart", "-t", "0", "user");
  expect(asked("Mount", "Unmount")).toEqual(["Unmount", "Mount"]);
  expect(plugin.calls.find((c) => c.method === "Mount")?.body).toEqual({ Name: "pv1", ID: id });
  await daemon.ok("rm", "-f", "user");
  await daemon.ok("volume", "rm", "pv1");
  expect(asked("Mount", "Unmount", "Remove")).toEqual(["Unmount", "Mount", "Unmount", "Remove"]);
  expect(await daemon.ok("volume", "ls", "-q")).toBe("");
});

test("made on the way to a container: by --volume-driver, by --mount, without a name", async () => {
  await daemon.ok("run", "--rm", "-v", "by-flag:/d", "--volume-driver", "tp", "busybox", "touch", "/d/f");
  const mount = "type=volume,src=by-mount,dst=/d,volume-driver=tp,volume-opt=k=v";
  expect((await daemon.docker("run", "--rm", "--mount", mount, "busybox", "touch", "/d/f")).code).toBe(0);
  expect(plugin.calls.filter((c) => c.method === "Create").map((c) => c.body)).toEqual([
    { Name: "by-flag", Opts: null },
    { Name: "by-mount", Opts: { k: "v" } },
  ]);
  await daemon.ok("run", "--rm", "-v", "/d", "--volume-driver", "tp", "busybox", "touch", "/d/f");
  expect(await daemon.ok("volume", "ls", "-q", "--filter", "driver=tp")).toBe("by-flag\nby-mount");
  expect(await refused("volume", "create", "by-flag")).toBe(
    "create by-flag: driver 'tp' already has volume 'by-flag': volume name must be unique",
  );
  expect(await daemon.ok("volume", "prune", "-a", "-f")).not.toContain("by-flag");
  // What only the plugin knows is found there, and taken.
  await daemon.ok("volume", "create", "-d", "tp", "by-flag");
  await daemon.ok("volume", "rm", "by-flag", "by-mount");
});

test("what is no plugin, and what a plugin refuses, in dockerd's words", async () => {
  expect(await refused("volume", "create", "-d", "nosuch", "x1")).toBe(
    'create x1: error looking up volume plugin nosuch: plugin "nosuch" not found',
  );
  plugin.misbehave.set("Create", { error: "no room" });
  expect(await refused("volume", "create", "-d", "tp", "x1")).toBe("create x1: VolumeDriver.Create: no room");
  expect(await daemon.ok("volume", "ls", "-q")).toBe("");
  await daemon.ok("volume", "create", "kept");
  await daemon.ok("volume", "rm", "kept");
  plugin.misbehave.clear();
  await daemon.ok("volume", "create", "-d", "tp", "e2");
  const start = () => refused("run", "--rm", "-v", "e2:/d", "busybox", "true");
  const wrong: [string, string][] = [
    ["junk", "its answer is no JSON"],
    ['{"Mountpoint":"rel/path"}', 'plugin "tp" gave the mountpoint "rel/path": no absolute path'],
    ['{"Mountpoint":"/nosuch/path"}', 'plugin "tp" gave the mountpoint "/nosuch/path": no such file'],
    ['{"Mountpoint":"/tmp/../etc"}', "no plain path"],
    ['{"Mountpoint":"/"}', "no such file or directory"],
    ['{"Mountpoint":7}', "no absolute path"],
    ["[]", "no absolute path"],
  ];
  for (const [text, words] of wrong) {
    plugin.misbehave.set("Mount", { text });
    const said = await start();
    expect(said).toContain("error while mounting volume 'e2'");
    expect(said).toContain(words);
  }
  plugin.misbehave.set("Mount", { error: "cannot mount" });
  expect(await start()).toBe("error while mounting volume 'e2': VolumeDriver.Mount: cannot mount");
  plugin.misbehave.set("Mount", { status: 404, text: "nope" });
  expect(await start()).toContain("VolumeDriver.Mount: nope");
  plugin.misbehave.clear();
  plugin.misbehave.set("List", { error: "no list" });
  const { stdout, stderr } = await daemon.berth("volume", "ls");
  expect([stdout, stderr]).toEqual([expect.stringContaining("e2"), "WARNING: list tp: VolumeDriver.List: no list\n"]);
  plugin.misbehave.set("Remove", { error: "busy there" });
  expect(await refused("volume", "rm", "e2")).toBe("remove e2: VolumeDriver.Remove: busy there");
  plugin.misbehave.clear();
  await daemon.ok("volume", "rm", "e2");
  expect(await daemon.ok("ps", "-aq")).toBe("");
});

test("a plugin that hangs: an error that names it and the volume, nothing half-made, and nobody else waits", async () => {
  await daemon.ok("volume", "create", "-d", "tp", "slow");
  plugin.misbehave.set("Mount", "hang");
  const waiting = refused("run", "--name", "stuck", "-v", "slow:/d", "busybox", "true");
  expect(await daemon.ok("run", "--rm", "busybox", "echo", "not me")).toBe("not me");
  expect(await waiting).toStartWith(
    `error while mounting volume 'slow': plugin "tp": VolumeDriver.Mount: no answer within 1 s`,
  );
  await daemon.ok("rm", "stuck");
  for (const method of ["Get", "List", "Create", "Remove", "Unmount"]) plugin.misbehave.set(method, "hang");
  expect(await refused("volume", "create", "-d", "tp", "never")).toContain("no answer within 1 s");
  expect(await daemon.ok("volume", "ls", "-q")).toBe("slow");
  expect(await daemon.ok("volume", "inspect", "-f", "{{.Driver}}", "slow")).toBe("tp");
  expect(await refused("volume", "rm", "slow")).toContain(`remove slow: plugin "tp": VolumeDriver.Remove: no answer`);
  plugin.misbehave.clear();
  await daemon.ok("run", "--rm", "-v", "slow:/d", "busybox", "true");
  await daemon.ok("volume", "rm", "slow");
});

test("a plugin that goes and comes back, and one that dies with its volume in use", async () => {
  await daemon.ok("volume", "create", "-d", "tp", "lasting");
  await daemon.ok("run", "-d", "--name", "user", "-v", "lasting:/d", ...SLEEP);
  await plugin[Symbol.asyncDispose]();
  expect(await daemon.ok("exec", "user", "ls", "/d")).toBe("");
  await daemon.ok("rm", "-f", "user");
  expect(await refused("run", "--rm", "-v", "lasting:/d", "busybox", "true")).toContain("nobody listens on its socket");
  plugin = new VolumePlugin(join(scratch, "tp.sock"), join(scratch, "volumes"));
  await daemon.ok("run", "--rm", "-v", "lasting:/d", "busybox", "true");
  await daemon.ok("volume", "rm", "lasting");
});
