import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BerthError, errnoOf, messageOf } from "../../spec/errors.ts";
import { fetchGit, GIT_ENVIRONMENT, parseGitUrl, type RunGit } from "../../spec/git-context.ts";

/** A context that was fetched; it goes with this. */
export interface Fetched extends AsyncDisposable {
  folder: string;
}

/** The folder of a git repository's context, fetched with this user's own git: keys and credentials are here, not with the engine. Throws in Docker's words. */
export async function gitFolder(url: string, env: NodeJS.ProcessEnv): Promise<Fetched> {
  const root = mkdtempSync(join(tmpdir(), "berth-build-git-"));
  const remove = (): Promise<void> => rm(root, { recursive: true, force: true });
  try {
    const folder = await fetchGit(parseGitUrl(url), { root, git: runner(root, env) });
    return { folder, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw new BerthError(
      "invalid-argument",
      `unable to prepare context: unable to 'git clone' to temporary context directory: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

function runner(cwd: string, env: NodeJS.ProcessEnv): RunGit {
  return (args) =>
    new Promise((resolve, reject) => {
      const child = spawn("git", args, {
        cwd,
        env: { ...env, ...GIT_ENVIRONMENT },
        stdio: ["ignore", "ignore", "pipe"],
      });
      const said: Buffer[] = [];
      child.stderr.on("data", (bytes: Buffer) => said.push(bytes));
      child.on("error", (error) =>
        reject(
          errnoOf(error) === "ENOENT"
            ? new Error(`unable to find 'git': exec: "git": executable file not found in $PATH`)
            : error,
        ),
      );
      child.on("close", (code) => resolve({ code: code ?? 1, stderr: Buffer.concat(said).toString() }));
    });
}
