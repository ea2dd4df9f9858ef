import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RunOutcome, run, runOk } from "../../src/host/spawn.ts";
import { TestDaemon } from "../../src/testing/daemon.ts";

// Secrets: where they are, and all the places where they must not be.

const SAYS = "s3cret-of-the-test-8f1c";
const BERTH = join(import.meta.dir, "../../dist/berth");
let daemon: TestDaemon;
let file: string;

beforeAll(async () => {
  daemon = await TestDaemon.start();
  file = `${daemon.root}/token`;
  writeFileSync(file, SAYS, { mode: 0o600 });
}, 300_000);
afterAll(() => daemon[Symbol.asyncDispose]());

const withVariable = (...args: string[]): Promise<RunOutcome> =>
  run([BERTH, "-H", `unix://${daemon.socket}`, ...args], {
    env: { TOKEN: SAYS, HOME: daemon.root, PATH: process.env["PATH"] ?? "" },
  });
const secret = (more = ""): string[] => ["--mount", `type=secret,source=${file}${more}`];
/** Files below the data root that hold the text. */
async function kept(): Promise<string[]> {
  const found = await run(["grep", "-rlF", SAYS, `${daemon.root}/data`, `${daemon.root}/run`]);
  return found.stdout.split("\n").filter(Boolean);
}

test("from a file and from a variable: a file in memory that the container's user alone may read", async () => {
  const look =
    "cat /run/secrets/token; echo; stat -c '%a %u:%g %F' /run/secrets/token; grep ' /run/secrets/token ' /proc/self/mounts";
  const said = (await daemon.ok("run", "--rm", ...secret(), "-u", "33:34", "busybox", "sh", "-c", look)).split("\n");
  expect(said.slice(0, 2)).toEqual([SAYS, "400 33:34 regular file"]);
  const [, , type, options = ""] = (said[2] ?? "").split(" ");
  expect(type).toBe("tmpfs");
  expect(options.split(",")).toEqual(expect.arrayContaining(["ro", "nosuid", "nodev", "noexec"]));
  const variable = await withVariable(
    "run",
    "--rm",
    "--mount",
    "type=secret,env=TOKEN,target=db/pass,uid=7,gid=8,mode=0440",
    "busybox",
    "sh",
    "-c",
    "cat /run/secrets/db/pass; stat -c ' %a %u:%g' /run/secrets/db/pass; env",
  );
  expect(variable).toMatchObject({ code: 0, stderr: "" });
  expect(variable.stdout).toStartWith(`${SAYS} 440 7:8\n`);
  expect(variable.stdout.split(SAYS)).toHaveLength(2);
});

test("docker's command line: the engine reads the file", async () => {
  const done = await daemon.docker(
    "run",
    "--rm",
    "--mount",
    `type=secret,src=${file},dst=/key`,
    "busybox",
    "cat",
    "/key",
  );
  expect(done).toMatchObject({ code: 0, stdout: SAYS });
});

describe("one container's secret", () => {
  const NAME = "holder";
  beforeAll(async () => {
    await daemon.ok("run", "-d", "--name", NAME, ...secret(), "busybox", "sleep", "1000");
  });
  const readIt = (): Promise<string> => daemon.ok("exec", NAME, "cat", "/run/secrets/token");

  test("is kept in one file that only root may read, and told nowhere", async () => {
    const { Id: id } = JSON.parse(await daemon.ok("inspect", "-f", "{{json .}}", NAME)) as { Id: string };
    const [place = "", ...others] = await kept();
    expect([place, others]).toEqual([`${daemon.root}/data/containers/${id}/secrets/0`, []]);
    expect(statSync(place).mode & 0o777).toBe(0o600);
    expect(statSync(join(place, "..")).mode & 0o777).toBe(0o700);
    const base64 = Buffer.from(SAYS).toString("base64");
    const told = [
      await daemon.ok("inspect", NAME),
      await daemon.ok("ps", "-a", "--no-trunc", "--format", "{{json .}}"),
      await daemon.ok("events", "--since", "1h", "--until", "0s"),
      daemon.log,
    ];
    for (const text of told) {
      expect(text).not.toContain(SAYS);
      expect(text).not.toContain(base64);
    }
    expect((await run(["grep", "-rlF", base64, `${daemon.root}/data`])).stdout).toBe("");
    expect(JSON.parse(await daemon.ok("inspect", "-f", "{{json .Mounts}}", NAME))).toMatchObject([
      { Type: "secret", Source: "", Destination: "/run/secrets/token", RW: false },
    ]);
  });

  test("is in no copy, export, diff or image", async () => {
    const berth = `${BERTH} -H unix://${daemon.socket}`;
    const bytes = async (line: string): Promise<string> => (await run(["sh", "-c", `${line} | cat -v`])).stdout;
    expect(await bytes(`${berth} cp ${NAME}:/run/secrets/token -`)).not.toContain(SAYS);
    await daemon.ok("exec", NAME, "ln", "-s", "/run/secrets/token", "/link");
    for (const path of ["/link", "/link/", "/run/secrets", "/run", "/."])
      expect(await bytes(`${berth} cp -L ${NAME}:${path} - 2>&1`)).not.toContain(SAYS);
    const refused = await daemon.berth("cp", `${NAME}:/run/secrets/token`, "-");
    expect([refused.code === 0, refused.stderr]).toEqual([
      false,
      expect.stringContaining("/run/secrets/token is a secret: it is not copied"),
    ]);
    expect(await bytes(`${berth} export ${NAME}`)).not.toContain(SAYS);
    await daemon.ok("commit", NAME, "with-secret");
    expect(await bytes(`${berth} save with-secret`)).not.toContain(SAYS);
    expect(await daemon.ok("run", "--rm", "with-secret", "cat", "/run/secrets/token")).toBe("");
    await daemon.ok("run", "--rm", "--volumes-from", NAME, "busybox", "sh", "-c", "[ ! -e /run/secrets/token ]");
    await daemon.ok("rmi", "with-secret");
  });

  test("cannot be written, and is there again after a restart and a kill of the daemon, without its first source", async () => {
    expect((await daemon.berth("exec", NAME, "sh", "-c", "echo x >/run/secrets/token")).stderr).toContain(
      "Read-only file system",
    );
    writeFileSync(file, "another");
    await daemon.ok("restart", "-t", "0", NAME);
    expect(await readIt()).toBe(SAYS);
    await daemon.crash();
    await daemon.up();
    expect(await readIt()).toBe(SAYS);
    await daemon.ok("kill", NAME);
    await daemon.ok("wait", NAME);
    expect(
      (await run(["sh", "-c", `${BERTH} -H unix://${daemon.socket} cp ${NAME}:/run/secrets - | cat -v`])).stdout,
    ).not.toContain(SAYS);
    await daemon.ok("start", NAME);
    expect(await readIt()).toBe(SAYS);
    writeFileSync(file, SAYS);
  });

  test("goes with the container", async () => {
    await daemon.ok("rm", "-f", NAME);
    expect(await kept()).toEqual([]);
  });
});

describe("refused, without a word of what it says", () => {
  test.each([
    ["type=secret", "a secret has either a source or an env"],
    ["type=secret,source=FILE,env=TOKEN", "a secret has either a source or an env"],
    ["type=secret,env=NOT_SET", "the variable NOT_SET is not set"],
    ["type=secret,source=/no/such", "open /no/such: no such file or directory"],
    ["type=secret,source=/etc", "open /etc: is a directory"],
    ["type=secret,env=TOKEN,mode=9", "invalid value for mode: 9"],
    ["type=secret,env=TOKEN,mode=4755", "invalid mode of a secret: 4755"],
    ["type=secret,env=TOKEN,uid=me", "invalid value for uid: me"],
    ["type=secret,env=TOKEN,uid=4294967295", "invalid owner of a secret: 4294967295"],
    ["type=secret,env=TOKEN,target=/", "destination can't be '/'"],
    ["type=secret,env=TOKEN,bind-propagation=rslave", "cannot mix other options with mount type 'secret'"],
    ["type=bind,source=/etc,target=/x,uid=5", "cannot mix options of a secret with mount type 'bind'"],
  ])("%s", async (words, message) => {
    const done = await withVariable("run", "--rm", "--mount", words.replace("FILE", file), "busybox", "true");
    expect(done.stderr).toContain(message);
    expect([done.code === 0, done.stderr.includes(SAYS)]).toEqual([false, false]);
  });

  test("by the engine: too long, no base64, no file; nothing is left", async () => {
    const create = async (options: object, source?: string): Promise<string> => {
      const mount = { Type: "secret", Target: "t", ...(source ? { Source: source } : {}), SecretOptions: options };
      const body = `${daemon.root}/body`;
      writeFileSync(body, JSON.stringify({ Image: "busybox", HostConfig: { Mounts: [mount] } }));
      const at = ["--unix-socket", daemon.socket, "-H", "Content-Type: application/json", "-d", `@${body}`];
      return runOk(["curl", "-s", ...at, "http://d/v1.51/containers/create"]);
    };
    expect(await create({ Data: "A".repeat(800_000) })).toContain("a secret has at most 512000 bytes");
    expect(await create({ Data: "not base64!" })).toContain("SecretOptions.Data must be base64");
    expect(await create({}, "/etc")).toContain("secret /etc is not a file");
    expect(await create({}, "/no/such")).toContain("open /no/such: no such file or directory");
    expect(await create({}, "relative")).toContain("mount path must be absolute");
    expect(await create({})).toContain("field Source must not be empty");
    expect(await daemon.ok("ps", "-aq")).toBe("");
    expect(readdirSync(`${daemon.root}/data/containers`)).toEqual([]);
  });

  test("512000 bytes are not too many", async () => {
    const long = `${daemon.root}/long`;
    writeFileSync(long, Buffer.alloc(512_000, "x"));
    expect(
      await daemon.ok(
        "run",
        "--rm",
        "--mount",
        `type=secret,source=${long}`,
        "busybox",
        "wc",
        "-c",
        "/run/secrets/long",
      ),
    ).toStartWith("512000 ");
  });
});
