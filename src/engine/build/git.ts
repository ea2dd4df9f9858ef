import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { run } from "../../host/spawn.ts";
import { packTree } from "../../layer/pack.ts";
import { fetchGit, GIT_ENVIRONMENT, parseGitUrl } from "../../spec/git-context.ts";

/** Nobody answers a daemon's questions, and no user's settings count. */
const UNATTENDED = {
  GIT_TERMINAL_PROMPT: "0",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_SSH_COMMAND: "ssh -oBatchMode=yes",
};

/** A build context from a git repository (the specification's `remote`), fetched below `tmp`. Throws in Docker's words; what was fetched is gone at the end. */
export async function* gitContext(
  url: string,
  options: { tmp: string; signal?: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const source = parseGitUrl(url);
  const root = mkdtempSync(`${options.tmp}/git-`);
  const env = { PATH: process.env["PATH"] ?? "", ...GIT_ENVIRONMENT, ...UNATTENDED };
  try {
    const git = (args: readonly string[]): ReturnType<typeof run> =>
      run(["git", ...args], { cwd: root, env, ...(options.signal ? { signal: options.signal } : {}) });
    yield* packTree(await fetchGit(source, { root, git }), { whiteouts: "plain" });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
