import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

let contexts = 0;
function context(files: Record<string, string>): string {
  const dir = join(daemon.root, `context-${contexts++}`);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}

describe.each(["berth", "docker"] as const)("%s build", (cli) => {
  const call = (...args: string[]) => daemon[cli](...args);

  test("run, copy, env, arg, workdir, user, entrypoint and cmd end up in the image", async () => {
    const dir = context({
      Dockerfile: [
        "ARG BASE=busybox",
        "FROM $BASE AS first",
        "ARG WHO=nobody",
        "ENV GREETING=hello",
        "WORKDIR /app",
        "COPY a.txt sub/ ./",
        'RUN echo "$GREETING $WHO" >greeting && cat a.txt b.txt >>greeting',
        "RUN chown 1234 greeting",
        "FROM busybox",
        "COPY --from=first --chown=1234:5 /app/greeting /srv/",
        "LABEL a=b",
        "EXPOSE 80",
        "USER 1234",
        "WORKDIR /srv",
        'ENTRYPOINT ["sh", "-c"]',
        'CMD ["cat greeting; stat -c %u:%g greeting"]',
      ].join("\n"),
      "a.txt": "a\n",
      "sub/b.txt": "b\n",
    });
    const built = await call("build", "-t", `app-${cli}`, "--build-arg", "WHO=world", dir);
    expect(built.stderr.replace(/DEPRECATED[\s\S]*?\n\n/, "")).toBe("");
    expect(built.code).toBe(0);
    expect((await call("run", "--rm", `app-${cli}`)).stdout).toBe("hello world\na\nb\n1234:5\n");
    expect(
      (
        await call(
          "inspect",
          "-f",
          "{{.Config.User}} {{.Config.WorkingDir}} {{.Config.Labels.a}} {{.Config.ExposedPorts}}",
          `app-${cli}`,
        )
      ).stdout,
    ).toBe("1234 /srv b map[80/tcp:{}]\n");
  });

  test("a second build hits the cache; a touched file still hits; a changed one misses", async () => {
    const dir = context({ Dockerfile: "FROM busybox\nCOPY f /f\nRUN cat /f >/g\n", f: `1 ${cli}` });
    const id = async (): Promise<string> => (await call("build", "-q", dir)).stdout.trim();
    const first = await id();
    utimesSync(join(dir, "f"), 1, 1);
    expect(await id()).toBe(first);
    writeFileSync(join(dir, "f"), `2 ${cli}`);
    expect(await id()).not.toBe(first);
  });

  test("a failing step names the command and its exit code", async () => {
    const done = await call("build", context({ Dockerfile: "FROM busybox\nRUN echo before; exit 3\n" }));
    expect(done.code).not.toBe(0);
    expect(done.stderr).toContain("returned a non-zero code: 3");
    expect(done.stdout + done.stderr).toContain("before");
  });

  test("a misspelt instruction is named with its line", async () => {
    const done = await call("build", context({ Dockerfile: "FROM busybox\n\nRUNN true\n" }));
    expect(done.code).not.toBe(0);
    expect(done.stderr).toContain("unknown instruction: RUNN");
    expect(done.stderr).toContain("3");
  });

  test(".dockerignore keeps files out", async () => {
    const dir = context({
      Dockerfile: "FROM busybox\nCOPY . /c\nRUN ls /c | tr '\\n' ' ' >/list\nCMD cat /list\n",
      ".dockerignore": "*.log\n!keep.log\nDockerfile\n",
      "a.log": "",
      "keep.log": "",
      "b.txt": "",
    });
    await call("build", "-t", `ignore-${cli}`, dir);
    expect((await call("run", "--rm", `ignore-${cli}`)).stdout.trim()).not.toContain("a.log");
    expect((await call("run", "--rm", `ignore-${cli}`)).stdout).toContain("b.txt keep.log");
  });
});

test("a context from stdin, and a link that leads out of it", async () => {
  const dir = context({ Dockerfile: "FROM busybox\nCOPY out /copied\nCMD cat /copied\n" });
  symlinkSync("/etc/shadow", join(dir, "out"));
  const done = await run(["sh", "-c", `tar -C ${dir} -c . | dist/berth -H unix://${daemon.socket} build -t link -`]);
  if (done.code === 0) {
    const seen = await daemon.berth("run", "--rm", "link");
    expect(seen.stdout).not.toContain("root:");
  } else {
    expect(done.stderr).toContain("out");
  }
});

test("a context from a URL: the Dockerfile alone, or an archive", async () => {
  const dir = context({
    Other: "FROM busybox\nCMD echo alone\n",
    "in/Dockerfile": "FROM busybox\nCOPY x /\nCMD cat /x\n",
    "in/x": "x",
  });
  await run(["tar", "-C", join(dir, "in"), "-czf", join(dir, "in.tgz"), "."]);
  const [file = "", ...args] = daemon.inNet("busybox", "httpd", "-f", "-p", "127.0.0.1:8099", "-h", dir);
  const { spawn } = await import("node:child_process");
  const server = spawn(file, args, { stdio: "ignore" });
  try {
    const url = "http://127.0.0.1:8099";
    while ((await run(daemon.inNet("timeout", "5", "busybox", "wget", "-q", "-O", "-", `${url}/Other`))).code !== 0);
    const posted = async (remote: string): Promise<string> => {
      const path = `http://d/v1.51/build?t=remote&remote=${encodeURIComponent(remote)}`;
      return (await run(["curl", "-s", "--unix-socket", daemon.socket, "-X", "POST", path])).stdout;
    };
    expect(await posted(`${url}/Other`)).toContain("Successfully tagged remote:latest");
    expect(await daemon.ok("run", "--rm", "remote")).toBe("alone");
    expect(await posted(`${url}/in.tgz`)).toContain("Successfully tagged remote:latest");
    expect(await daemon.ok("run", "--rm", "remote")).toBe("x");
    expect(await posted(`${url}/nosuch`)).toContain(`failed to GET ${url}/nosuch: status 404`);
  } finally {
    server.kill();
  }
});

test("the base image's ONBUILD triggers run in the child", async () => {
  await daemon.ok("build", "-t", "trigger", context({ Dockerfile: "FROM busybox\nONBUILD RUN echo triggered >/t\n" }));
  await daemon.ok("build", "-t", "child", context({ Dockerfile: "FROM trigger\nCMD cat /t\n" }));
  expect(await daemon.ok("run", "--rm", "child")).toBe("triggered");
});

test("an interrupted build leaves no container, no mount and no process behind", async () => {
  const dir = context({ Dockerfile: "FROM busybox\nRUN sleep 1000\n" });
  const { spawn } = await import("node:child_process");
  const child = spawn("dist/berth", ["-H", `unix://${daemon.socket}`, "build", dir], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  await new Promise<void>((resolve) => {
    let out = "";
    const look = (b: Buffer): void => {
      out += b.toString();
      if (out.includes("sleep 1000")) resolve();
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
  });
  while ((await daemon.leftovers()).processes.length === 0) await Bun.sleep(20);
  child.kill("SIGKILL");
  while ((await daemon.leftovers()).processes.length > 0) await Bun.sleep(50);
  expect(await daemon.ok("ps", "-aq")).toBe("");
});

test("no file of the context stays in the data root", async () => {
  const dir = context({ Dockerfile: "FROM scratch\nCOPY x /\n", x: "x" });
  await daemon.ok("build", "-q", dir);
  const left = await run(["find", join(daemon.root, "data", "tmp"), "-mindepth", "1"]);
  expect(left.stdout).toBe("");
  rmSync(dir, { recursive: true });
});
