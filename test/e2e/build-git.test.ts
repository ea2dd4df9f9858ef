import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type RunOutcome, run } from "../../src/host/spawn.ts";
import { DOCKER, TestDaemon } from "../../src/testing/daemon.ts";
import { script } from "../../src/testing/tar-kit.ts";

// Builds from git repositories: fetched by the command line, as docker's does, and by the engine, where a client asks for that.

const SERVER = join(import.meta.dir, "testdata/git-server.ts");
const CLIENTS = { docker: DOCKER, berth: join(import.meta.dir, "../../dist/berth") };
const PORT = "5010";
const LIMIT = 300_000;

let daemon: TestDaemon;
let folder = "";
let server: Bun.Subprocess<"ignore", "pipe", "inherit">;

beforeAll(async () => {
  daemon = await TestDaemon.start();
  folder = mkdtempSync("/var/tmp/berth-git.");
  script(
    `export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
     git init -q -b trunk work && cd work && mkdir sub && echo from-trunk > file && ln -s / out
     printf 'FROM busybox\\nCOPY file /file\\n' > Dockerfile && printf 'FROM busybox\\nRUN echo from-sub > /file\\n' > sub/Other
     git add -A && git commit -qm one && git checkout -q -b feature && echo from-feature > file && git commit -qam two && git checkout -q trunk && cd ..
     git clone -q --bare work work.git`,
    folder,
  );
  server = Bun.spawn(daemon.inNet(process.execPath, SERVER, folder, PORT), { stdio: ["ignore", "pipe", "inherit"] });
  for await (const chunk of server.stdout) if (Buffer.from(chunk).includes("ready")) break;
}, LIMIT);
afterAll(async () => {
  server.kill();
  await server.exited;
  await daemon[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
}, LIMIT);

const url = (fragment: string): string => `http://127.0.0.1:${PORT}/smart/work.git${fragment}`;

/** In the daemon's network, where the server is. */
function build(by: keyof typeof CLIENTS, ...args: string[]): Promise<RunOutcome> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: folder, TMPDIR: folder, DOCKER_BUILDKIT: "0" };
  return run(daemon.inNet(CLIENTS[by], "-H", `unix://${daemon.socket}`, "build", ...args), { env });
}

test.each(["docker", "berth"] as const)(
  "%s: a branch, a folder with another Dockerfile; what is wrong is one line, and nothing is left",
  async (by) => {
    for (const [fragment, flags, wanted] of [
      ["#trunk", [], "from-trunk"],
      ["#feature", [], "from-feature"],
      ["#trunk:sub", ["-f", "Other"], "from-sub"],
    ] as const) {
      const { code, stderr } = await build(by, "-t", by, ...flags, url(fragment));
      expect(`${code} ${stderr.split("DEPRECATED")[0]}`).toBe("0 ");
      expect(await daemon.ok("run", "--rm", by, "cat", "/file")).toBe(wanted);
    }
    const missing = await build(by, url("#nosuch"));
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(
      /unable to 'git clone' to temporary context directory: error fetching: fatal: couldn't find remote ref nosuch/,
    );
    expect(readdirSync(folder).filter((name) => name.startsWith("berth-"))).toEqual([]);
  },
  LIMIT,
);

async function remote(what: string): Promise<string> {
  const query = new URLSearchParams({ remote: what, t: "remote" });
  const argv = ["curl", "-sN", "--unix-socket", daemon.socket, "-X", "POST", `http://x/v1.47/build?${query}`];
  return (await run(argv)).stdout;
}

test("the engine fetches where a client asks for it, and refuses what Docker refuses", async () => {
  expect(await remote(url("#feature"))).toContain("Successfully tagged remote:latest");
  expect(await daemon.ok("run", "--rm", "remote", "cat", "/file")).toBe("from-feature");
  // Without a ref it is the repository's own default branch.
  expect(await remote(url(""))).toContain("Successfully tagged remote:latest");
  expect(await daemon.ok("run", "--rm", "remote", "cat", "/file")).toBe("from-trunk");
  for (const [what, words] of [
    [url("#nosuch"), "error fetching: fatal: couldn't find remote ref nosuch: exit status 128"],
    [url("#trunk:out"), 'error setting git context, "out" not within git root'],
    [url("#--upload-pack=x"), "invalid refspec: --upload-pack=x"],
    ["ftp://x", "remoteURL (ftp://x) could not be recognized as URL"],
    ["ext::sh -c id", "remoteURL (ext::sh -c id) could not be recognized as URL"],
  ] as const) {
    expect(JSON.parse(await remote(what))).toEqual({ message: expect.stringContaining(words) });
  }
  expect(readdirSync(join(daemon.root, "data/tmp"))).toEqual([]);
});
