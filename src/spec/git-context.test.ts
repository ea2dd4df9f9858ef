import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { run } from "../host/spawn.ts";
import { answerGit } from "../testing/git-server.ts";
import { script } from "../testing/tar-kit.ts";
import { fetchGit, GIT_ENVIRONMENT, isGitUrl, parseGitUrl } from "./git-context.ts";

const root = mkdtempSync(join(tmpdir(), "berth-git-"));
let server: ReturnType<typeof Bun.serve>;
let base = "";

/** `app`: a branch, a tag, links in and out, a submodule; `hooks`: a submodule by a protocol that runs programs. */
const REPOSITORIES = `
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
mkdir lib && cd lib && git init -q -b trunk && echo lib > lib && git add -A && git commit -qm lib && cd ..
mkdir work && cd work && git init -q -b trunk && mkdir -p sub && echo 1 > Dockerfile && echo s > sub/Dockerfile && ln -s / out && ln -s sub in
git add -A && git commit -qm one && git checkout -q -b feature && echo 2 > Dockerfile && git add -A && git commit -qm two && git tag v1
git rev-parse HEAD~ > ../first; git checkout -q trunk; cd ..
mkdir hostile && cd hostile && git init -q -b trunk && git -c protocol.file.allow=always submodule --quiet add ../lib lib
git config -f .gitmodules submodule.lib.url "ext::sh -c touch% ROOT/owned" && git add -A && git commit -qm bad && cd ..
mkdir whole && cd whole && git init -q -b trunk && git -c protocol.file.allow=always submodule --quiet add ../lib lib
git config -f .gitmodules submodule.lib.url BASE/smart/lib.git && echo w > Dockerfile && git add -A && git commit -qm w && cd ..
for name in lib work hostile whole; do git clone -q --bare $name $name.git; git -C $name.git update-server-info; done
`;

beforeAll(() => {
  server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => answerGit(root, request) });
  base = `http://127.0.0.1:${server.port}`;
  script(REPOSITORIES.replaceAll("ROOT", root).replaceAll("BASE", base), root);
});
afterAll(() => {
  server.stop(true);
  rmSync(root, { recursive: true });
});

/** Fetches, and gives the context's folder, below the folder of the repository. */
async function fetched(
  url: string,
  more: Record<string, string> = {},
): Promise<{ at: string; folder: string; Dockerfile: string }> {
  const into = mkdtempSync(join(root, "into-"));
  const env = {
    PATH: process.env["PATH"] ?? "",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    ...GIT_ENVIRONMENT,
    ...more,
  };
  const git = (args: readonly string[]): ReturnType<typeof run> => run(["git", ...args], { cwd: into, env });
  const folder = await fetchGit(parseGitUrl(url), { root: into, git });
  const dockerfile = join(folder, "Dockerfile");
  return {
    at: relative(into, folder),
    folder,
    Dockerfile: existsSync(dockerfile) ? readFileSync(dockerfile, "utf8").trim() : "",
  };
}

test.each([
  ["git://host/a", true],
  ["git@host:a", true],
  ["github.com/a/b", true],
  ["https://host/a.git", true],
  ["https://host/a.git#ref:dir", true],
  ["http://host/a.tar.gz", false],
  ["https://host/a.git/b", false],
  ["./github.com/a", false],
  ["/a.git", false],
])("%s is a repository: %p", (url, wanted) => {
  expect(isGitUrl(url)).toBe(wanted);
});

test.each([
  ["https://h/a.git", "https://h/a.git", "HEAD", ""],
  ["https://h/a.git#", "https://h/a.git", "HEAD", ""],
  ["https://h/a.git#v1", "https://h/a.git", "v1", ""],
  ["https://h/a.git#:dir/sub", "https://h/a.git", "HEAD", "dir/sub"],
  ["git@h:a.git#v1:dir", "git@h:a.git", "v1", "dir"],
  ["github.com/a/b#v1", "https://github.com/a/b", "v1", ""],
])("%s", (url, remote, ref, subdir) => {
  expect(parseGitUrl(url)).toEqual({ remote, ref, subdir });
});

describe.each(["smart", "plain"])("from a %s server", (kind) => {
  const url = (fragment: string): string => `${base}/${kind}/work.git${fragment}`;

  test("the default branch, others, tags, commits, folders", async () => {
    expect(await fetched(url(""))).toMatchObject({ at: "", Dockerfile: "1" });
    expect(await fetched(url("#feature"))).toMatchObject({ at: "", Dockerfile: "2" });
    expect(await fetched(url("#v1:sub"))).toMatchObject({ at: "sub", Dockerfile: "s" });
    expect(await fetched(url("#:in"))).toMatchObject({ at: "sub", Dockerfile: "s" });
    const first = readFileSync(join(root, "first"), "utf8").trim();
    expect(await fetched(url(`#${first}`))).toMatchObject({ Dockerfile: "1" });
  });

  test("what is not there, leads out, or is no folder is refused", async () => {
    await expect(fetched(url("#nosuch"))).rejects.toThrow(/^error fetching: fatal: couldn't find remote ref nosuch/i);
    await expect(fetched(url("#:nosuch"))).rejects.toThrow("nosuch: no such folder in the git repository");
    await expect(fetched(url("#:out"))).rejects.toThrow('error setting git context, "out" not within git root');
    await expect(fetched(url("#:../.."))).rejects.toThrow('error setting git context, "../.." not within git root');
    await expect(fetched(url("#:Dockerfile"))).rejects.toThrow(
      "error setting git context, not a directory: Dockerfile",
    );
    await expect(fetched(`${base}/${kind}/nosuch.git`)).rejects.toThrow("error fetching: ");
  });
});

test("submodules come too, but not by protocols that run programs", async () => {
  const { folder } = await fetched(`${base}/smart/whole.git`);
  expect(readdirSync(join(folder, "lib"))).toContain("lib");
  await expect(fetched(`${base}/smart/hostile.git`)).rejects.toThrow(
    /error initializing submodules: .*transport 'ext' not allowed/s,
  );
  expect(existsSync(join(root, "owned"))).toBe(false);
});

test("nothing in a name is an option or a command, and passwords are not told", async () => {
  expect(() => parseGitUrl("https://h/a.git#--upload-pack=x")).toThrow("invalid refspec: --upload-pack=x");
  await expect(fetched("git@-oProxyCommand=touch:x")).rejects.toThrow("error fetching: ");
  await expect(fetched("git://--upload-pack=touch/x.git")).rejects.toThrow("error fetching: ");
  const { message } = await fetched(`http://me:secret@127.0.0.1:1/x.git`).then(
    () => new Error("came"),
    (error: Error) => error,
  );
  expect(message).toContain("error fetching");
  expect(message).not.toContain("secret");
  await expect(fetched(`${base}/locked/x.git`)).rejects.toThrow(/could not read Username|terminal prompts disabled/);
});

test("hooks of a template are not run", async () => {
  mkdirSync(join(root, "template/hooks"), { recursive: true });
  const hook = join(root, "template/hooks/post-checkout");
  script(`printf '#!/bin/sh\\ntouch %s/hooked\\n' ${root} > ${hook} && chmod +x ${hook}`, root);
  await fetched(`${base}/smart/work.git`, { GIT_TEMPLATE_DIR: join(root, "template") });
  expect(existsSync(join(root, "hooked"))).toBe(false);
});
