import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";
import { script } from "../../src/testing/tar-kit.ts";
import { exchange } from "./operations/exchange.ts";

// cp, diff, export and commit by both command lines, beyond what the recorded matrix says.

const BERTH = join(import.meta.dir, "../../dist/berth");
let daemon: TestDaemon;
let here: string;

beforeAll(async () => {
  daemon = await TestDaemon.start();
  here = join(daemon.root, "here");
  mkdirSync(here);
  await daemon.ok("run", "-d", "--name", "one", "-v", "vol:/data", "busybox", "sleep", "9999");
  await daemon.ok("run", "--name", "two", "busybox", "sh", "-c", "mkdir -p /w/d; echo x >/w/d/x; ln -s d /w/ld");
});
afterAll(() => daemon[Symbol.asyncDispose]());

/** A command line on a terminal: what it prints, and its exit code as the last line. */
async function onTerminal(...argv: string[]): Promise<string> {
  const line = argv.map((word) => `'${word}'`).join(" ");
  const done = await run(["script", "-qec", `${line}; echo "exit $?"`, "/dev/null"], {
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", TERM: "xterm", DOCKER_CONFIG: "/nonexistent" },
  });
  return done.stdout.replaceAll("\r\n", "\n");
}

/** The last lines, without the movements of the cursor before them. */
const ending = (text: string): string => text.slice(Math.max(0, text.lastIndexOf("Successfully")));

describe("cp", () => {
  test("progress goes to a terminal only, -q is silent", async () => {
    writeFileSync(join(here, "f"), "x\n");
    const host = `unix://${daemon.socket}`;
    for (const cli of [DOCKER, BERTH]) {
      const shown = await onTerminal(cli, "-H", host, "cp", join(here, "f"), "one:/tmp");
      expect(ending(shown)).toBe("Successfully copied 2.05kB to one:/tmp\nexit 0\n");
      expect(await onTerminal(cli, "-H", host, "cp", "-q", join(here, "f"), "one:/tmp")).toBe("exit 0\n");
      const out = await onTerminal(cli, "-H", host, "cp", "two:/w/d", join(here, "out"));
      expect(ending(out)).toBe(
        `Successfully copied 3.58kB to ${here}/out\nexit 0\n`.replace("3.58", out.includes("2.56") ? "2.56" : "3.58"),
      );
    }
    expect(await daemon.berth("cp", join(here, "f"), "one:/tmp")).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("from one container into another, running and stopped, by docker's rules for names", async () => {
    await daemon.ok("cp", "two:/w/d", "one:/tmp/copy");
    expect(await daemon.ok("exec", "one", "cat", "/tmp/copy/x")).toBe("x");
    await daemon.ok("cp", "two:/w/d/.", "one:/data");
    expect(await daemon.ok("exec", "one", "cat", "/data/x")).toBe("x");
    await daemon.ok("cp", "-L", "two:/w/ld", "one:/tmp");
    expect(await daemon.ok("exec", "one", "cat", "/tmp/ld/x")).toBe("x");
    await daemon.ok("container", "cp", "one:/etc/hosts", "two:/w/hosts");
    expect(await daemon.ok("cp", "two:/w/hosts", "-")).toContain("127.0.0.1");
    const bad = await daemon.berth("cp", "two:/w/d", "one:/etc/hosts");
    expect([bad.code, bad.stderr]).toEqual([1, "cannot copy directory\n"]);
    const refused = await daemon.docker("cp", "two:/w/d", "one:/tmp");
    expect(refused.stderr).toBe("copying between containers is not supported\n");
  });

  test("-a gives files to the container's user; without it owners are kept", async () => {
    await daemon.ok("run", "-d", "--name", "user", "-u", "12:34", "busybox", "sleep", "9999");
    writeFileSync(join(here, "own"), "");
    for (const cp of [daemon.docker.bind(daemon), daemon.berth.bind(daemon)]) {
      expect((await cp("cp", "-a", join(here, "own"), "user:/tmp/a")).code).toBe(0);
      expect((await cp("cp", join(here, "own"), "user:/tmp/b")).code).toBe(0);
      const listed = await daemon.ok("exec", "user", "ls", "-ln", "/tmp");
      expect(listed).toMatch(/ 12 +34 .* a\n/);
      expect(listed).toMatch(/ 0 +0 .* b$/);
    }
  });

  test("a large file comes back as it was", async () => {
    script("head -c 20000000 /dev/urandom >big", here);
    await daemon.ok("cp", join(here, "big"), "one:/data/big");
    await daemon.ok("cp", "one:/data/big", join(here, "back"));
    expect(script("cmp big back && echo same", here)).toBe("same\n");
  });

  test("modes, times, links and setuid come with it", async () => {
    await daemon.ok(
      "exec",
      "one",
      "sh",
      "-c",
      "mkdir /k; echo s >/k/s; chmod 4711 /k/s; ln -s s /k/l; touch -d '2020-01-02 03:04:05' /k/s",
    );
    await daemon.ok("cp", "one:/k", here);
    const { mode, mtime } = statSync(join(here, "k/s"));
    expect([mode & 0o7777, mtime.toISOString()]).toEqual([0o4711, "2020-01-02T03:04:05.000Z"]);
    expect(readlinkSync(join(here, "k/l"))).toBe("s");
  });
});

describe("diff", () => {
  test("added, changed, deleted; a folder before what is in it; nothing of ours", async () => {
    const work =
      "echo >>/etc/passwd; rm /etc/group; mkdir -p /n/m; touch /n/m/f; chmod 755 /root; rm -r /var; touch /bin/new";
    await daemon.ok("run", "--name", "changed", "busybox", "sh", "-c", work);
    const lines = "C /bin\nA /bin/new\nC /etc\nD /etc/group\nC /etc/passwd\nA /n\nA /n/m\nA /n/m/f\nC /root\nD /var\n";
    for (const cli of [daemon.docker("diff", "changed"), daemon.berth("container", "diff", "changed")])
      expect((await cli).stdout).toBe(lines);
  });

  test("no change: nothing; unknown and empty names: docker's words", async () => {
    await daemon.ok("create", "--name", "untouched", "busybox");
    expect(await daemon.docker("diff", "untouched")).toMatchObject({ code: 0, stdout: "" });
    expect((await exchange(daemon.socket, { line: "GET /containers/untouched/changes" })).body).toBeNull();
    for (const cli of [daemon.docker.bind(daemon), daemon.berth.bind(daemon)]) {
      expect((await cli("diff", "nosuch")).stderr).toBe("Error response from daemon: No such container: nosuch\n");
      expect((await cli("diff", "")).stderr).toBe("Container name cannot be empty\n");
    }
  });

  test("a folder that was emptied and made anew", async () => {
    await daemon.ok(
      "run",
      "--name",
      "anew",
      "busybox",
      "sh",
      "-c",
      "mkdir -p /w; rm -r /var/www; mkdir /var/www; touch /var/www/index",
    );
    const changes = (await daemon.ok("diff", "anew")).split("\n");
    expect(changes).toContain("A /var/www/index");
    expect(changes).toContain("A /w");
  });
});

describe("export", () => {
  test("the tree without volumes, of a running and a stopped container; import makes an image of it", async () => {
    await daemon.ok("exec", "one", "sh", "-c", "echo v >/data/in-volume; echo t >/in-tree");
    for (const cli of [daemon.docker.bind(daemon), daemon.berth.bind(daemon)]) {
      const file = join(here, "tree.tar");
      expect(await cli("export", "-o", file, "one")).toMatchObject({ code: 0, stdout: "", stderr: "" });
      const names = script("tar -tf tree.tar", here).split("\n");
      expect(names).toEqual(expect.arrayContaining(["bin/", "data/", "in-tree", "proc/", "etc/hosts"]));
      expect(names.filter((name) => /^(data|proc|sys)\/./.test(name))).toEqual([]);
      expect(script("tar -xOf tree.tar etc/hosts", here)).toBe("");
    }
    await daemon.ok("import", join(here, "tree.tar"), "tree:1");
    expect(await daemon.ok("run", "--rm", "tree:1", "cat", "/in-tree")).toBe("t");
    const stopped = await run(["bash", "-c", `'${BERTH}' -H unix://${daemon.socket} export two | tar -tf - w/d/x`]);
    expect(stopped.stdout).toBe("w/d/x\n");
  });

  test("refusals: a terminal, a folder, a missing folder, an unknown container; no file is left", async () => {
    const host = `unix://${daemon.socket}`;
    for (const cli of [DOCKER, BERTH]) {
      expect(await onTerminal(cli, "-H", host, "export", "one")).toBe(
        "cowardly refusing to save to a terminal. Use the -o flag or redirect\nexit 1\n",
      );
      const fails = async (...args: string[]): Promise<unknown> => {
        const { code, stderr } = await run([cli, "-H", host, "export", ...args]);
        return [code, stderr];
      };
      expect(await fails("-o", here, "one")).toEqual([1, "failed to export container: cannot write to a directory\n"]);
      expect(await fails("-o", "/nosuch/x", "one")).toEqual([
        1,
        "failed to export container: invalid output path: stat /nosuch: no such file or directory\n",
      ]);
      const file = join(here, "none.tar");
      expect(await fails("-o", file, "nosuch")).toEqual([1, "Error response from daemon: No such container: nosuch\n"]);
      expect(existsSync(file)).toBe(false);
    }
  });
});

describe("commit", () => {
  test("files, configuration, history and parent; -m -a -c as the seeds use them, by both command lines", async () => {
    await daemon.ok(
      "run",
      "--name",
      "base",
      "-e",
      "A=1",
      "-l",
      "own=yes",
      "busybox",
      "sh",
      "-c",
      "echo hi >/hi; rm /etc/group",
    );
    const parent = await daemon.ok("image", "inspect", "-f", "{{.Id}}", "busybox");
    const changes = [
      'CMD ["cat", "/hi"]',
      "ENV B=$A",
      "LABEL more=1",
      "EXPOSE 80",
      "USER 0",
      "WORKDIR /tmp",
      "ONBUILD RUN true",
      "STOPSIGNAL SIGINT",
      "VOLUME /v",
      "HEALTHCHECK NONE",
      "ENTRYPOINT []",
    ];
    for (const [i, cli] of [daemon.docker.bind(daemon), daemon.berth.bind(daemon)].entries()) {
      const name = `made:${i}`;
      const args = changes.toReversed().flatMap((change) => ["-c", change]);
      const done = await cli("commit", "-m", "a message", "-a", "somebody", ...args, "base", name);
      expect(done.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
      const image = JSON.parse(await daemon.ok("image", "inspect", name))[0];
      expect(image).toMatchObject({ Id: done.stdout.trim(), Parent: parent, Author: "somebody", Comment: "a message" });
      expect(image.Config).toMatchObject({
        Cmd: ["cat", "/hi"],
        Labels: { own: "yes", more: "1" },
        ExposedPorts: { "80/tcp": {} },
        Volumes: { "/v": {} },
        OnBuild: ["RUN true"],
        StopSignal: "SIGINT",
        WorkingDir: "/tmp",
      });
      expect(image.Config.Env).toEqual(expect.arrayContaining(["A=1", "B=1"]));
      expect(await daemon.ok("run", "--rm", name)).toBe("hi");
      expect((await daemon.berth("run", "--rm", name, "ls", "/etc/group")).code).toBe(1);
      expect(await daemon.ok("history", "--format", "{{.Comment}} {{.CreatedBy}}", "--no-trunc", name)).toStartWith(
        "a message sh -c echo hi >/hi; rm /etc/group",
      );
    }
    // What was added to the image alone is in its layer, and nothing of the mounts that every container has.
    expect((await daemon.ok("diff", "base")).split("\n")).toEqual(["C /etc", "D /etc/group", "A /hi"]);
  });

  test("a running container stands still meanwhile, and goes on; without -p it does not; both are told as events", async () => {
    const since = String(Math.floor(Date.now() / 1000) - 1);
    const id = (await daemon.docker("commit", "one", "running:1")).stdout.trim();
    expect(await daemon.ok("ps", "--format", "{{.Status}}", "--filter", "name=one")).toStartWith("Up");
    expect(await daemon.ok("run", "--rm", "running:1", "cat", "/in-tree")).toBe("t");
    await daemon.ok("commit", "--pause=false", "one");
    const until = String(Math.ceil(Date.now() / 1000) + 1);
    const lines = await daemon.ok(
      "events",
      "--since",
      since,
      "--until",
      until,
      "--filter",
      "container=one",
      "--format",
      "{{.Action}} {{.Actor.Attributes.imageRef}} {{.Actor.Attributes.imageID}}",
    );
    const told = lines
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => /^(un)?pause|^commit/.test(line));
    expect(told.slice(0, 3).map((line) => line.split(" ")[0])).toEqual(["pause", "commit", "unpause"]);
    expect(told[1]).toBe(`commit running:1 ${id}`);
    expect(told.filter((line) => line.startsWith("pause"))).toHaveLength(1);
  });

  test("hard links, attributes, devices and emptied folders are in the layer", async () => {
    const work = "echo l >/l1; ln /l1 /l2; mknod /null c 1 3; rm -r /var/www; mkdir /var/www; mkfifo /fifo";
    await daemon.ok("run", "--name", "odd", "--privileged", "busybox", "sh", "-c", work);
    await daemon.ok("commit", "odd", "odd:1");
    const listed = await daemon.ok(
      "run",
      "--rm",
      "odd:1",
      "sh",
      "-c",
      "stat -c %h /l1; stat -c %F /null /fifo; ls -A /var/www",
    );
    expect(listed.split("\n")).toEqual(["2", "character special file", "fifo"]);
  });

  test("a body with a configuration counts before the container's own", async () => {
    const config = { Env: ["Q=1"], Labels: { from: "body" }, Cmd: ["true"] };
    const line = "POST /commit?container=base&repo=body&tag=1&changes=ENV%20R%3D2%0ALABEL%20x%3Dy";
    const { status, body } = await exchange(daemon.socket, { line, json: config });
    expect(status).toBe(201);
    const image = JSON.parse(await daemon.ok("image", "inspect", (body as { Id: string }).Id))[0];
    expect(image.Config.Env).toEqual(expect.arrayContaining(["Q=1", "R=2", "A=1"]));
    expect(image.Config).toMatchObject({ Cmd: ["true"], Labels: { from: "body", x: "y", own: "yes" } });
    expect(image.RepoTags).toEqual(["body:1"]);
  });

  test.each([
    ["container=nosuch", 404, "No such container: nosuch"],
    ["", 400, 'invalid name or ID supplied: ""'],
    ["container=base&changes=FROM%20x", 400, "FROM is not a valid change command"],
    ["container=base&changes=FOO%20x", 400, "FOO"],
    ["container=base&repo=BAD", 400, "must be lowercase"],
    ["container=base&repo=good&tag=b@d", 400, "invalid tag format"],
  ])("POST /commit?%s: %d", async (query, status, words) => {
    const before = await daemon.ok("images", "-aq");
    const answer = await exchange(daemon.socket, { line: `POST /commit?${query}` });
    expect([answer.status, (answer.body as { message: string }).message]).toEqual([
      status,
      expect.stringContaining(words),
    ]);
    expect(await daemon.ok("images", "-aq")).toBe(before);
  });

  test("SIGKILL of the daemon while it commits: the container is not left standing still, and no layer; the next one works", async () => {
    const layers = (): string[] => readdirSync(join(daemon.root, "data/layers")).sort();
    const before = layers();
    await daemon.ok("exec", "one", "sh", "-c", "dd if=/dev/zero of=/filler bs=1M count=400 2>/dev/null");
    const mark = join(daemon.root, "data/containers", await daemon.ok("inspect", "-f", "{{.Id}}", "one"), "frozen");
    const work = daemon.berth("commit", "one", "killed:1");
    while (!existsSync(mark)) await Bun.sleep(1);
    await daemon.crash();
    await work;
    await daemon.up();
    expect(await daemon.ok("ps", "--format", "{{.Status}}", "--filter", "name=one")).not.toContain("Paused");
    expect(await daemon.ok("exec", "one", "echo", "alive")).toBe("alive");
    expect(existsSync(mark)).toBe(false);
    expect((await daemon.berth("image", "inspect", "killed:1")).code).toBe(1);
    while (layers().length > before.length) await Bun.sleep(5);
    expect(layers()).toEqual(before);
    await daemon.ok("commit", "one", "killed:1");
    expect(await daemon.ok("run", "--rm", "killed:1", "stat", "-c", "%s", "/filler")).toBe(String(400 << 20));
    expect(readFileSync("/proc/mounts", "utf8")).not.toContain("files /");
  });
});
