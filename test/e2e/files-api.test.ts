import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { readTar } from "../../src/layer/tar/reader.ts";
import { decodeName } from "../../src/spec/names.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";
import { HAVE_SPEC, loadSpecValidator } from "../../src/testing/spec-validator.ts";
import { chunks, tarOf } from "../../src/testing/tar-kit.ts";
import { type Answer, exchange } from "./operations/exchange.ts";

// A container's files over a real socket: running and stopped, each documented status, hostile archives, clients and a daemon that go in the middle.

const SPEC = HAVE_SPEC ? loadSpecValidator({ goNulls: true }) : undefined;
const TREE =
  "mkdir -p /w/d/sub; echo hi >/w/f; echo x >/w/d/sub/x; ln -s f /w/lf; ln -s d /w/ld; ln -s /nowhere/x /w/broken; " +
  "ln -s loop /w/loop; ln -s ../../../../w/f /w/climb; ln -s /w/d /w/abs; mkfifo /w/fifo; chmod 1777 /w/d; chmod 4755 /w/f; ln /w/f /w/hard";
const GO = { dir: 2 ** 31, link: 2 ** 27, sticky: 2 ** 20, setuid: 2 ** 23 };

let daemon: TestDaemon;
let host: string;

beforeAll(async () => {
  daemon = await TestDaemon.start();
  host = join(daemon.root, "host");
  mkdirSync(host);
  writeFileSync(join(host, "kept"), "host\n");
  const mounts = ["-v", "vol:/data", "-v", `${host}:/ro:ro`, "--tmpfs", "/mem"];
  await daemon.ok("run", "-d", "--name", "live", ...mounts, "busybox", "sh", "-c", `${TREE}; touch /ready; sleep 9999`);
  await daemon.ok("run", "--name", "dead", ...mounts, "busybox", "sh", "-c", TREE);
  await daemon.ok(
    "create",
    "--name",
    "fresh",
    "-v",
    "/newvol",
    "-v",
    "vol:/data:ro",
    "busybox",
    "ls",
    "-ln",
    "/newvol",
  );
  await daemon.ok(
    "run",
    "-d",
    "--name",
    "locked",
    "--read-only",
    "--tmpfs",
    "/mem",
    "-v",
    "vol:/data",
    "-u",
    "5:6",
    "busybox",
    "sleep",
    "9999",
  );
  await daemon.ok("exec", "live", "sh", "-c", "until [ -e /ready ]; do :; done");
});
afterAll(() => daemon[Symbol.asyncDispose]());

async function send(line: string, body?: Buffer): Promise<Answer> {
  const [method = "", path = ""] = line.split(" ");
  const answer = await exchange(daemon.socket, { line, ...(body ? { body } : {}) });
  const hasJson = method !== "HEAD" && answer.body !== undefined;
  if (hasJson) expect(SPEC?.validateResponse(method, path, answer.status, answer.body) ?? []).toEqual([]);
  return answer;
}

async function stat(name: string, path: string): Promise<unknown> {
  const { status, headers } = await send(`HEAD /containers/${name}/archive?path=${encodeURIComponent(path)}`);
  const header = headers["x-docker-container-path-stat"];
  return header ? JSON.parse(Buffer.from(String(header), "base64").toString()) : status;
}

async function get(name: string, path: string): Promise<Buffer> {
  return raw(`/containers/${name}/archive?path=${encodeURIComponent(path)}`);
}

async function raw(path: string): Promise<Buffer> {
  const req = request({ socketPath: daemon.socket, path, agent: false });
  req.end();
  const [res] = await once(req, "response");
  return Buffer.concat(await Array.fromAsync(res as AsyncIterable<Buffer>));
}

async function names(tar: Buffer): Promise<string[]> {
  return (await Array.fromAsync(readTar(chunks(tar)))).map((e) => e.header.path);
}

const put = (name: string, path: string, tar: Buffer, more = ""): Promise<Answer> =>
  send(`PUT /containers/${name}/archive?path=${encodeURIComponent(path)}${more}`, tar);

const message = (answer: Answer): string => (answer.body as { message: string }).message;

describe.each(["live", "dead"])("stat and read, %s container", (name) => {
  test("what an entry is, in Docker's terms", async () => {
    expect(await stat(name, "/w/d")).toMatchObject({ name: "d", mode: GO.dir + GO.sticky + 0o777, linkTarget: "" });
    expect(await stat(name, "/w/f")).toMatchObject({ name: "f", size: 3, mode: GO.setuid + 0o755 });
    expect(await stat(name, "/w/lf")).toMatchObject({ name: "lf", mode: GO.link + 0o777, linkTarget: "/w/f" });
    expect(await stat(name, "/w/climb")).toMatchObject({ linkTarget: "/w/f" });
    expect(await stat(name, "/w/broken")).toMatchObject({ linkTarget: "/nowhere/x" });
    expect(await stat(name, "/w/ld/")).toMatchObject({ name: "ld", mode: GO.dir + GO.sticky + 0o777 });
    expect(await stat(name, "w/ld/.")).toMatchObject({ name: ".", linkTarget: "" });
    expect(await stat(name, "/")).toMatchObject({ name: "/" });
    expect(await stat(name, "/ro/kept")).toMatchObject({ name: "kept", size: 5 });
    expect(await stat(name, "/data")).toMatchObject({ name: "data" });
    const { mtime } = (await stat(name, "/w/f")) as { mtime: string };
    expect(mtime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
  });

  test("what cannot be: 400, 404, 500", async () => {
    expect(await stat(name, "")).toBe(400);
    expect(await stat(name, "/nope/x")).toBe(404);
    expect(await stat(name, "/w/f/x")).toBe(500);
    const ask = (path: string): Promise<Answer> => send(`GET /containers/${name}/archive?path=${path}`);
    expect(message(await ask("/nope"))).toBe(`Could not find the file /nope in container ${name}`);
    expect(message(await ask("/w/f/"))).toBe("lstat /w/f/: not a directory");
    expect((await ask("")).status).toBe(400);
    expect((await ask("/a%00b")).status).toBe(400);
  });

  test("archives have the names that docker cp builds on", async () => {
    expect(await names(await get(name, "/w/d"))).toEqual(["d/", "d/sub/", "d/sub/x"]);
    expect(await names(await get(name, "/w/d/."))).toEqual(["./", "./sub/", "./sub/x"]);
    expect(await names(await get(name, "/w/ld/"))).toEqual(["ld/", "ld/sub/", "ld/sub/x"]);
    expect(await names(await get(name, "/w/ld"))).toEqual(["ld"]);
    const whole = await names(await get(name, "/"));
    expect(whole).toContain("/ro/kept");
    expect(whole).toContain("/w/d/sub/x");
    // Of what the kernel mounts there only the folders.
    expect(whole.filter((path) => /^\/(proc|sys)\/./.test(path))).toEqual([]);
  });

  test("hard links, modes and fifos are kept", async () => {
    const entries = await Array.fromAsync(readTar(chunks(await get(name, "/w"))));
    const at = (path: string) => entries.find((e) => e.header.path === path)?.header;
    expect(at("w/f")).toMatchObject({ type: "file", mode: 0o4755, size: 3 });
    expect(at("w/hard")).toMatchObject({ type: "link", link: "w/f" });
    expect(at("w/fifo")).toMatchObject({ type: "fifo" });
  });
});

test("unknown containers are 404 everywhere", async () => {
  for (const line of ["GET /containers/x/archive?path=/", "GET /containers/x/export", "GET /containers/x/changes"]) {
    const answer = await send(line.replace("/x/", "/nosuch/"));
    expect([answer.status, message(answer)]).toEqual([404, "No such container: nosuch"]);
  }
  expect((await put("nosuch", "/", Buffer.alloc(1024))).status).toBe(404);
  const hostile = await send("GET /containers/..%2F..%2Fetc/archive?path=/");
  expect([hostile.status, message(hostile)]).toEqual([404, "No such container: ../../etc"]);
});

describe("write", () => {
  const file = (path: string, body = "new\n"): Promise<Buffer> => tarOf([{ path, body, uid: 7, gid: 8 }]);

  test("into the tree, volumes, binds and tmpfs of a running container", async () => {
    for (const folder of ["/w", "/w/ld", "/data", "/mem"]) {
      expect((await put("live", folder, await file("put"))).status).toBe(200);
      expect(await daemon.ok("exec", "live", "ls", "-ln", `${folder}/put`)).toMatch(/^-rw-r--r-- +1 7 +8 +4 /);
    }
    expect(await daemon.ok("exec", "live", "cat", "/w/d/put")).toBe("new");
  });

  test("into a container that was never started: volumes are there at its start, its tree too", async () => {
    expect((await put("fresh", "/newvol", await file("put"))).status).toBe(200);
    expect((await put("fresh", "/tmp", await file("put"))).status).toBe(200);
    expect(await daemon.ok("start", "-a", "fresh")).toMatch(/7 +8 +4 .* put$/);
    expect((await send("GET /containers/fresh/changes")).body).toContainEqual({ Path: "/tmp/put", Kind: 1 });
    expect((await daemon.leftovers()).mounts.filter((m) => m.includes("overlay"))).toEqual([]);
  });

  test("read-only trees and volumes are 403, in Docker's words; what is mounted there may be written", async () => {
    const refused = async (name: string, path: string): Promise<unknown> => {
      const answer = await put(name, path, await file("no"));
      return [answer.status, message(answer)];
    };
    expect(await refused("locked", "/tmp")).toEqual([403, "container rootfs is marked read-only"]);
    expect(await refused("live", "/ro")).toEqual([403, "mounted volume is marked read-only"]);
    expect(await refused("dead", "/ro")).toEqual([403, "mounted volume is marked read-only"]);
    expect(await refused("fresh", "/data")).toEqual([403, "mounted volume is marked read-only"]);
    for (const path of ["/mem", "/data"]) expect((await put("locked", path, await file("put"))).status).toBe(200);
    expect(readdirSync(host)).toEqual(["kept"]);
  });

  test("copyUIDGID gives what is written to the container's user", async () => {
    expect((await put("locked", "/data", await file("own"), "&copyUIDGID=1")).status).toBe(200);
    expect(await daemon.ok("exec", "locked", "ls", "-ln", "/data/own")).toMatch(/ 5 +6 /);
  });

  test("folders over files and the reverse: Docker's words, or replaced where that is asked for", async () => {
    const asFile = await tarOf([{ path: "kind", body: "f" }]);
    const asDir = await tarOf([{ path: "kind/", type: "dir" }]);
    expect((await put("live", "/w", asDir)).status).toBe(200);
    const keep = "&noOverwriteDirNonDir=true";
    const over = await put("live", "/w", asFile, keep);
    expect([over.status, message(over)]).toEqual([400, 'cannot overwrite directory "kind" with non-directory "/w"']);
    expect((await put("live", "/w", asFile)).status).toBe(200);
    expect(message(await put("live", "/w", asDir, keep))).toBe(
      'cannot overwrite non-directory "kind" with directory "/w"',
    );
  });

  test("wrong targets and bodies: 400, 404, 500", async () => {
    const tar = await file("a");
    expect(message(await put("live", "/w/f", tar))).toBe("extraction point is not a directory");
    expect(message(await put("live", "/w/broken", tar))).toBe("Could not find the file /w/broken in container live");
    expect((await put("live", "/w/loop", tar)).status).toBe(500);
    expect((await put("live", "", tar)).status).toBe(400);
    expect((await put("live", "/w", Buffer.from("no tar at all"))).status).toBe(400);
    expect((await put("live", "/w", tar.subarray(0, 514))).status).toBe(400);
    expect((await put("live", "/w", Buffer.alloc(1024))).status).toBe(200);
  });

  test("gzip is taken", async () => {
    expect((await put("live", "/w", Buffer.from(Bun.gzipSync(Buffer.from(await file("packed")))))).status).toBe(200);
    expect(await daemon.ok("exec", "live", "cat", "/w/packed")).toBe("new");
  });

  test("hostile archives stay in their folder, of a running and of a stopped container", async () => {
    const passwd = readFileSync("/etc/passwd", "utf8");
    const bad = [
      [{ path: "../../evil", body: "x" }],
      [{ path: "hl", type: "link" as const, link: "../../../etc/passwd" }],
      [
        { path: "d", type: "symlink" as const, link: "/" },
        { path: "d/../../../evil", body: "x" },
      ],
    ];
    const tame = [
      [{ path: "/abs1", body: "x" }],
      [
        { path: "sl", type: "symlink" as const, link: "../../../../etc" },
        { path: "sl/passwd", body: "evil" },
      ],
      [
        { path: "sa", type: "symlink" as const, link: `${host}` },
        { path: "sa/kept", body: "evil" },
      ],
      [
        { path: "hp", type: "symlink" as const, link: "/proc/1/root" },
        { path: "hp/evil", body: "x" },
      ],
    ];
    for (const name of ["live", "dead"]) {
      for (const items of bad) expect((await put(name, "/tmp", await tarOf(items))).status).toBe(400);
      for (const items of tame) expect((await put(name, "/tmp", await tarOf(items))).status).toBe(200);
      expect(await names(await get(name, "/tmp/abs1"))).toEqual(["abs1"]);
      expect(await stat(name, "/evil")).toBe(404);
    }
    expect(readFileSync("/etc/passwd", "utf8")).toBe(passwd);
    expect(readFileSync(join(host, "kept"), "utf8")).toBe("host\n");
    expect(existsSync("/evil")).toBe(false);
    const device = await tarOf([{ path: "nul", type: "char", major: 1, minor: 3 }]);
    expect((await put("live", "/w", device)).status).toBe(200);
    expect(await daemon.ok("exec", "live", "ls", "-l", "/w/nul")).toMatch(/^crw.* 1, +3 /);
  });

  test("names that are no UTF-8 come and go as they are", async () => {
    const path = decodeName(Buffer.from([0x6e, 0xff, 0x2e]));
    expect((await put("live", "/w/d", await tarOf([{ path, body: "b" }]))).status).toBe(200);
    expect(await names(await get("live", "/w/d"))).toContain(`d/${path}`);
  });
});

describe("many and gone", () => {
  test("twenty writers and readers at a time do not mix", async () => {
    const many = Array.from({ length: 10 }, (_, i) => i);
    const bodies = many.map((i) => Buffer.alloc(100_000, String(i)));
    const done = many.map(
      async (i) =>
        (await put(i % 2 ? "live" : "dead", "/tmp", await tarOf([{ path: `m${i}`, body: bodies[i] ?? "" }]))).status,
    );
    expect(new Set(await Promise.all(done))).toEqual(new Set([200]));
    await Promise.all(
      many.map(async (i) => {
        const tar = await get(i % 2 ? "live" : "dead", `/tmp/m${i}`);
        expect(tar.subarray(512, 512 + 100_000).equals(bodies[i] ?? Buffer.alloc(0))).toBe(true);
      }),
    );
  });

  test("a client that goes in the middle leaves no worker, and the stopped container can be started", async () => {
    await daemon.ok("exec", "live", "dd", "if=/dev/zero", "of=/tmp/big", "bs=1M", "count=0", "seek=300");
    const req = request({ socketPath: daemon.socket, path: "/containers/live/archive?path=/tmp/big", agent: false });
    req.end();
    const [res] = await once(req, "response");
    await once(res, "data");
    req.destroy();
    const tar = await tarOf([{ path: "half", body: Buffer.alloc(1 << 20) }]);
    const upload = request({
      socketPath: daemon.socket,
      method: "PUT",
      path: "/containers/dead/archive?path=/tmp",
      headers: { "Content-Length": tar.length * 2 },
      agent: false,
    });
    upload.on("error", () => undefined);
    await new Promise((sent) => upload.write(tar, sent));
    upload.destroy();
    expect((await daemon.docker("start", "dead")).code).toBe(0);
    while (workers().length > 0) await Bun.sleep(10);
  });

  test("the daemon's memory does not grow with what passes through it", async () => {
    const before = memory();
    const req = request({ socketPath: daemon.socket, path: "/containers/live/archive?path=/tmp/big", agent: false });
    req.end();
    const [res] = await once(req, "response");
    let size = 0;
    for await (const part of res as AsyncIterable<Buffer>) size += part.length;
    expect(size).toBeGreaterThan(300 << 20);
    expect(memory() - before).toBeLessThan(100);
  });

  test("SIGKILL of the daemon in the middle of a write: the container runs on, no mount and no worker is left", async () => {
    const tar = await tarOf([
      { path: "first", body: "whole\n" },
      { path: "second", body: Buffer.alloc(1 << 20) },
    ]);
    const upload = request({
      socketPath: daemon.socket,
      method: "PUT",
      path: "/containers/live/archive?path=/w",
      headers: { "Content-Length": tar.length },
      agent: false,
    });
    upload.on("error", () => undefined);
    upload.write(tar.subarray(0, 200_000));
    while ((await daemon.berth("exec", "live", "test", "-e", "/w/first")).code !== 0) await Bun.sleep(10);
    const left = workers();
    expect(left).toHaveLength(1);
    await daemon.crash();
    while (left.some((pid) => existsSync(`/proc/${pid}`))) await Bun.sleep(10);
    await daemon.up();
    expect(await daemon.ok("exec", "live", "cat", "/w/first")).toBe("whole");
    expect((await put("live", "/w", tar)).status).toBe(200);
    expect((await daemon.leftovers()).mounts.filter((m) => m.includes("overlay"))).toEqual([]);
  });
});

/** Pids of the workers whose parent is, or was, this test's daemon: they hold its socket's folder in no way but by their parent. */
function workers(): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      const isWorker = readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("worker\0files");
      return (
        isWorker && readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ")[1] === String(daemon.pid)
      );
    } catch {
      return false; // It ended meanwhile.
    }
  });
}

/** The daemon's own memory in MiB. */
function memory(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, "utf8"))?.[1]) / 1024;
}
