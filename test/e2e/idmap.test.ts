import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type RunOutcome, run, runOk } from "../../src/host/spawn.ts";
import { DISPLACED } from "../../src/spec/id-map.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";

// Binds with `map`: a caller who is not root, by both command lines.

const CALLER = { uid: 12_345, gid: 12_346 };
let daemon: TestDaemon;
let home: string;
let dir: string;

beforeAll(async () => {
  daemon = await TestDaemon.start();
  for (const path of [daemon.root, dirname(daemon.socket)]) chmodSync(path, 0o755);
  chmodSync(daemon.socket, 0o666);
  home = `${daemon.root}/home`;
  mkdirSync(home);
  chownSync(home, CALLER.uid, CALLER.gid);
}, 300_000);
afterAll(() => daemon[Symbol.asyncDispose]());
beforeEach(() => {
  dir = `${home}/project`;
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  writeFileSync(`${dir}/mine`, "mine");
  for (const path of [dir, `${dir}/mine`]) chownSync(path, CALLER.uid, CALLER.gid);
  writeFileSync(`${dir}/roots`, "root's", { mode: 0o600 });
});

const BERTH = `${import.meta.dir}/../../dist/berth`;

/** A command line, called by one who is not root. */
function asCaller(program: string, ...args: string[]): Promise<RunOutcome> {
  const ids = ["--reuid", String(CALLER.uid), "--regid", String(CALLER.gid), "--clear-groups"];
  const env = { HOME: home, PATH: process.env["PATH"] ?? "" };
  return run(["setpriv", ...ids, program, "-H", `unix://${daemon.socket}`, ...args], { env });
}

const owner = (name: string): string => {
  const { uid, gid } = statSync(`${dir}/${name}`);
  return `${uid}:${gid}`;
};
const MINE = `${CALLER.uid}:${CALLER.gid}`;
const WORK = "stat -c '%n %u:%g' * && touch made && mkdir folder && cat roots && chown root:root roots";

describe("files in a container are the caller's on the host, and the reverse", () => {
  const mount = (): string[] => ["--mount", `type=bind,src=${dir},dst=/work,map=me`];
  const volume = (): string[] => ["-v", `${dir}:/work:map=me`];
  const read = (text: string): string[] => text.trim().split("\n");

  test.each<[string, string, () => string[]]>([
    ["berth --mount", BERTH, mount],
    ["berth -v", BERTH, volume],
    ["docker -v", DOCKER, volume],
  ])("%s", async (_, program, option) => {
    const done = await asCaller(program, "run", "--rm", ...option(), "-w", "/work", "busybox", "sh", "-c", WORK);
    expect(done).toMatchObject({ code: 0, stderr: "" });
    // The host's root is somebody else inside, whom the container's root may read and give to itself.
    expect(read(done.stdout)).toEqual(["mine 0:0", `roots ${DISPLACED}:${DISPLACED}`, "root's"]);
    expect(["made", "folder", "mine", "roots"].map(owner)).toEqual([MINE, MINE, MINE, MINE]);
  });

  test("by the user that the container runs as; nobody in it writes as the host's root", async () => {
    const script = "stat -c %u:%g /work/mine; touch /work/made";
    const done = await asCaller(BERTH, "run", "--rm", "-u", "33:34", ...volume(), "busybox", "sh", "-c", script);
    expect(done).toMatchObject({ code: 0, stdout: "33:34\n" });
    expect(owner("made")).toBe(MINE);
    chmodSync(dir, 0o777);
    await asCaller(BERTH, "run", "-d", "--name", "twin", ...volume(), "busybox", "sleep", "1000");
    try {
      await daemon.ok("exec", "-u", MINE, "twin", "touch", "/work/twin");
      expect(owner("twin")).toBe(`${DISPLACED}:${DISPLACED}`);
    } finally {
      await daemon.ok("rm", "-f", "twin");
    }
  });

  test("behind sudo it is who called sudo", async () => {
    const done = await run(
      [BERTH, "-H", `unix://${daemon.socket}`, "run", "--rm", ...mount(), "busybox", "touch", "/work/made"],
      {
        env: {
          SUDO_UID: String(CALLER.uid),
          SUDO_GID: String(CALLER.gid),
          HOME: home,
          PATH: process.env["PATH"] ?? "",
        },
      },
    );
    expect(done).toMatchObject({ code: 0, stderr: "" });
    expect(owner("made")).toBe(MINE);
  });

  test("a folder that is not there yet is the caller's too", async () => {
    for (const [program, name] of [
      [BERTH, "new"],
      [DOCKER, "newer"],
    ] as const) {
      const done = await asCaller(
        program,
        "run",
        "--rm",
        "-v",
        `${dir}/${name}:/work:map=me`,
        "busybox",
        "touch",
        "/work/made",
      );
      expect(done).toMatchObject({ code: 0, stderr: "" });
      expect([owner(name), owner(`${name}/made`)]).toEqual([MINE, MINE]);
    }
  });

  test("ids by number, read-only, a folder below; --volumes-from and exec see the same", async () => {
    mkdirSync(`${dir}/sub`);
    chownSync(`${dir}/sub`, 7, 8);
    await daemon.ok(
      "run",
      "-d",
      "--name",
      "mapped",
      "-v",
      `${dir}/sub:/work:ro,map=7.8@44.45`,
      "busybox",
      "sleep",
      "1000",
    );
    try {
      expect(await daemon.ok("exec", "mapped", "stat", "-c", "%u:%g", "/work")).toBe("44:45");
      expect((await daemon.berth("exec", "mapped", "touch", "/work/x")).stderr).toContain("Read-only file system");
      expect(
        await daemon.ok("run", "--rm", "--volumes-from", "mapped", "busybox", "stat", "-c", "%u:%g", "/work"),
      ).toBe("44:45");
      expect(await daemon.ok("inspect", "-f", "{{.HostConfig.Binds}}", "mapped")).toContain("ro,map=7.8@44.45");
    } finally {
      await daemon.ok("rm", "-f", "mapped");
    }
  });

  test("a container that is stopped: cp reads and writes with the same owners", async () => {
    await asCaller(BERTH, "create", "--name", "still", "-u", "33:34", ...mount(), "busybox", "true");
    try {
      const listed = await run([
        "sh",
        "-c",
        `${BERTH} -H unix://${daemon.socket} cp still:/work/mine - | tar -tv --numeric-owner`,
      ]);
      expect(listed.stdout).toContain(" 33/34 ");
      expect((await asCaller(BERTH, "cp", "-a", `${dir}/mine`, "still:/work/copied")).code).toBe(0);
      const streamed = await run([
        "sh",
        "-c",
        `tar -c --owner=33 --group=34 -C ${dir} mine | ${BERTH} -H unix://${daemon.socket} cp -a - still:/work/folder`,
      ]);
      expect(streamed.code).not.toBe(0);
      mkdirSync(`${dir}/folder`);
      await run([
        "sh",
        "-c",
        `tar -c --numeric-owner --owner=33 --group=34 -C ${dir} mine | ${BERTH} -H unix://${daemon.socket} cp -a - still:/work/folder`,
      ]);
      expect(owner("folder/mine")).toBe(MINE);
    } finally {
      await daemon.ok("rm", "-f", "still");
    }
  });
});

test("the ids stay those of the creation: over a kill of the daemon, a restart by policy, another owner of the folder", async () => {
  await asCaller(
    DOCKER,
    "run",
    "-d",
    "--name",
    "kept",
    "--restart",
    "always",
    "-v",
    `${dir}:/work:map=me`,
    "busybox",
    "sh",
    "-c",
    "touch /work/$(cat /work/next); sleep 1000",
  );
  try {
    writeFileSync(`${dir}/next`, "second");
    chownSync(dir, 0, 0);
    await daemon.crash();
    await daemon.up();
    chmodSync(daemon.socket, 0o666);
    expect(await daemon.ok("exec", "kept", "stat", "-c", "%u", "/work/mine")).toBe("0");
    await daemon.ok("restart", "-t", "0", "kept");
    await daemon.ok("exec", "kept", "sh", "-c", "until [ -e /work/second ]; do :; done");
    expect(owner("second")).toBe(MINE);
  } finally {
    await daemon.ok("rm", "-f", "kept");
  }
});

describe("what cannot be mapped", () => {
  const failed = async (...args: string[]): Promise<string> => {
    const done = await daemon.berth("run", "--rm", ...args);
    expect(done.code).not.toBe(0);
    return done.stderr;
  };

  test("file systems, named with where they are; the way out for those below", async () => {
    const words = (type: string, at: string): string =>
      `map: the file system ${type} on ${at} cannot map owners on this kernel`;
    expect(await failed("-v", "/proc:/work:map=1.1", "busybox", "true")).toContain(
      `mount source /proc: ${words("proc", "/proc")}`,
    );
    const below = `${dir}/be low`;
    mkdirSync(below);
    await runOk(["mount", "-t", "proc", "proc", below]);
    try {
      const wish = `type=bind,src=${dir},dst=/work,map=1:1`;
      const way = "; bind-recursive=disabled leaves it out";
      expect(await failed("--mount", wish, "busybox", "true")).toContain(
        `mount source ${dir}: ${words("proc", below)}${way}`,
      );
      expect(
        await daemon.ok("run", "--rm", "--mount", `${wish},bind-recursive=disabled`, "busybox", "ls", "/work/be low"),
      ).toBe("");
    } finally {
      await runOk(["umount", below]);
    }
    // Nothing is left of it.
    expect(await daemon.ok("ps", "-aq")).toBe("");
  });

  test("words that are no map, and mounts that have no owners", async () => {
    expect(await failed("-v", `${dir}:/work:map=you`, "busybox", "true")).toContain("invalid map: 'you'");
    expect(await failed("-v", `${dir}:/work:map=me,map=1`, "busybox", "true")).toContain("invalid mode:");
    expect(await failed("--mount", `type=bind,src=${dir},dst=/work,map=1:2:3`, "busybox", "true")).toContain(
      "invalid map: '1:2:3'",
    );
    expect(await failed("--mount", "type=tmpfs,dst=/work,map=me", "busybox", "true")).toContain(
      "cannot mix 'map' with mount type 'tmpfs'",
    );
    expect(await failed("-v", `${dir}:/work:map=me`, "-u", "nobody-here", "busybox", "true")).toContain(
      "unable to find user nobody-here",
    );
    expect(existsSync(`${dir}/mine`) && readFileSync(`${dir}/mine`, "utf8")).toBe("mine");
  });
});
