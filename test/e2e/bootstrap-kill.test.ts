import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { runOk } from "../../src/host/spawn.ts";
import { ApkKey, type ApkSource, apkRepo } from "../../src/testing/apk-repo.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";
import { type MirrorServer, mirrorServer } from "../../src/testing/mirror-server.ts";

// A daemon that is killed in the middle of a bootstrap, at each of its steps, and a disk that is full at each of them: nothing of it is left, and the next one succeeds.

setDefaultTimeout(180_000);
const TESTDATA = join(import.meta.dir, "../../src/engine/image/bootstrap/testdata/alpine.json");
const LARGE = 8 * 1024 * 1024;
const MIB = 1024 * 1024;
let folder = "";
let key: ApkKey;
let server: MirrorServer;
let daemon: TestDaemon;
beforeAll(async () => {
  folder = mkdtempSync("/var/tmp/berth-bootstrap.");
  key = await ApkKey.make("joe@example.org-12345678.rsa.pub");
  writeFileSync(join(folder, key.name), key.publicKey);
  writeFileSync(join(folder, "large"), randomBytes(LARGE));
  const { main }: { main: ApkSource[] } = JSON.parse(readFileSync(TESTDATA, "utf8"));
  const endless = "#!/bin/sh\n: >/running\nwhile :; do :; done\n";
  const packages: ApkSource[] = [
    ...main,
    { name: "endless", version: "1-r0", scripts: { "post-install": endless } },
    { name: "large", version: "1-r0", files: { "usr/large": { host: join(folder, "large"), mode: 0o644 } } },
  ];
  await apkRepo(join(folder, "mirror"), { part: "v3.20/main", key, packages });
  await apkRepo(join(folder, "mirror"), { part: "v3.20/community", key, packages: [] });
  server = mirrorServer(join(folder, "mirror"));
});
afterEach(async () => {
  await daemon[Symbol.asyncDispose]();
  server.intercept = () => undefined;
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  key[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const start = async (...flags: string[]): Promise<void> => {
  daemon = await TestDaemon.start({ isolated: false, busybox: false, flags: ["--bridge", "none", ...flags] });
};
const bootstrap = (...include: string[]) => {
  const more = include.flatMap((name) => ["--include", name]);
  return daemon.berth("bootstrap", "--mirror", server.url, "--key", join(folder, key.name), ...more, "alpine:3.20");
};
const bootstrapped = async (): Promise<void> => {
  expect(await bootstrap()).toMatchObject({ code: 0 });
  const run = ["run", "--rm", "--network", "none", "alpine:3.20", "cat", "/etc/alpine-release"];
  expect(await daemon.ok(...run)).toBe("3.20.3");
};
/** What lies in a data root, but for the database and what is there once and for all. */
const content = (root: string): string[] =>
  readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => !/^(berth\.db|tmp$|helper)/.test(name))
    .sort();
/** Processes that see a part of the data root: as their root, or as a mount. */
const inside = (root: string): string[] =>
  readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === daemon.pid) return false;
    try {
      const mounts = readFileSync(`/proc/${pid}/mountinfo`, "utf8").split("\n");
      return (
        readlinkSync(`/proc/${pid}/root`).startsWith(root) || mounts.some((line) => line.includes(`${root}/data/`))
      );
    } catch {
      return false; // It ended meanwhile.
    }
  });
const until = async (what: () => boolean): Promise<void> => {
  while (!what()) await new Promise((next) => setTimeout(next, 1));
};
/** Nothing of an image, a layer, a mount or a process. */
async function expectNothing(root: string, before: string[]): Promise<void> {
  expect(await daemon.ok("images", "-aq")).toBe("");
  expect(content(root)).toEqual(before);
  const { mounts, processes } = await daemon.leftovers();
  expect([mounts, processes, inside(daemon.root)]).toEqual([[], [], []]);
}

const workshops = (root: string): string[] => (existsSync(join(root, "tmp")) ? readdirSync(join(root, "tmp")) : []);
const isFilled = (folder: string): boolean => existsSync(folder) && readdirSync(folder).length > 0;
/** A script of the package writes that file into the image that is being made. */
const scriptRuns = (root: string): boolean =>
  workshops(root).some((shop) =>
    readdirSync(join(root, "tmp", shop)).some((part) => existsSync(join(root, "tmp", shop, part, "running"))),
  );

const MOMENTS: [string, string, (root: string) => boolean][] = [
  [
    "while a package comes",
    "held",
    (root) => workshops(root).length > 0 && server.asked.some((path) => path.includes("/large-")),
  ],
  ["while a package's script runs", "endless", scriptRuns],
  [
    "while the layer is taken in",
    "large",
    (root) => isFilled(join(root, "content/tmp")) || isFilled(join(root, "layers/tmp")),
  ],
];
test.each(MOMENTS)("killed %s", async (_, what, moment) => {
  await start();
  const root = join(daemon.root, "data");
  const before = content(root);
  server.asked.length = 0;
  if (what === "held")
    server.intercept = (path) => (path.includes("/large-") ? new Promise(() => undefined) : undefined);
  const work = bootstrap(what === "held" ? "large" : what);
  await until(() => moment(root));
  await daemon.crash();
  expect((await work).code).not.toBe(0);
  expect(content(root)).not.toEqual(before);
  server.intercept = () => undefined;
  // What the daemon began ends with it, before it comes again.
  await until(() => inside(daemon.root).length === 0);
  await daemon.up();
  await expectNothing(root, before);
  await bootstrapped();
});

test("a disk that is full at one step or another: the error says so, nothing is left, now and after a start", async () => {
  const disk = join(folder, "disk");
  mkdirSync(disk);
  await runOk(["mount", "-t", "tmpfs", "-o", "size=64m", "none", disk]);
  try {
    const root = join(disk, "data");
    await start("--data-root", root);
    const before = content(root);
    let last = 1;
    // From a package that does not fit to an image that does: each step has been the one that fails.
    for (let left = LARGE - MIB; last !== 0; left += 3 * MIB) {
      await filled(disk, left);
      const { code, stderr } = await bootstrap("large");
      last = code;
      if (code === 0) break;
      expect(stderr).toContain("no space left on device");
      await expectNothing(root, before);
    }
    expect(last).toBe(0);
    await daemon.ok("rmi", "alpine:3.20");
    await filled(disk, LARGE + MIB);
    expect((await bootstrap("large")).code).not.toBe(0);
    await daemon.crash();
    await daemon.up();
    await expectNothing(root, before);
    rmSync(join(disk, "filler"));
    await bootstrapped();
    await daemon.down();
  } finally {
    await daemon.down();
    await runOk(["umount", disk]);
  }
});

/** Leaves so many bytes. */
async function filled(disk: string, left: number): Promise<void> {
  rmSync(join(disk, "filler"), { force: true });
  const available = Number((await runOk(["df", "--output=avail", "-B1", disk])).split("\n")[1]);
  if (available > left) await runOk(["fallocate", "-l", String(available - left), join(disk, "filler")]);
}
