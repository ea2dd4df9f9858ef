import { realpathSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import { BerthError, errnoOf } from "./errors.ts";

/** A folder of a git repository as `docker build` names it: `REMOTE#REF:SUBDIR` (docker build, "Git repositories"). */
export interface GitSource {
  /** What git is given: a URL, or `user@host:path`. */
  remote: string;
  /** A branch, tag or commit. Without one it is the repository's own default; Docker's classic builder takes `master`. */
  ref: string;
  /** "" is the whole of it. */
  subdir: string;
}

/** How git is run in the folder of the repository: its arguments, its exit code and what it wrote to stderr. */
export type RunGit = (args: readonly string[]) => Promise<{ code: number; stderr: string }>;

/**
 * What every git that fetches a context runs with: only protocols that lead to a server, submodules' too (git(1), GIT_ALLOW_PROTOCOL), and no
 * settings of the system.
 */
export const GIT_ENVIRONMENT = {
  GIT_ALLOW_PROTOCOL: "http:https:git:ssh",
  GIT_PROTOCOL_FROM_USER: "0",
  GIT_CONFIG_NOSYSTEM: "1",
} as const;

/** Nothing of the repository, nor of a template, is run. */
const QUIET = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "advice.detachedHead=false"];

/** Whether a build's context is a git repository, by Docker's rules: `git://`, `git@`, `github.com/`, or http(s) with a path that ends in `.git`. */
export function isGitUrl(text: string): boolean {
  return /^(git:\/\/|git@|github\.com\/)/.test(text) || (/^https?:\/\//.test(text) && /\.git(#.+)?$/.test(text));
}

/** Throws `invalid-argument` for a ref that git would take for an option. */
export function parseGitUrl(text: string): GitSource {
  const url = /^(https?:\/\/|git:\/\/|git@)/.test(text) ? text : `https://${text}`;
  const [remote = "", ...fragment] = url.split("#");
  const [ref = "", ...subdir] = fragment.join("#").split(":");
  if (ref.startsWith("-")) throw new BerthError("invalid-argument", `invalid refspec: ${ref}`);
  return { remote, ref: ref || "HEAD", subdir: subdir.join(":") };
}

/**
 * Fetches the source into the empty folder `root` and tells the context's folder in it. As little history as the server can be asked for.
 * Throws in Docker's words; passwords of URLs are left out of git's.
 */
export async function fetchGit(source: GitSource, { root, git }: { root: string; git: RunGit }): Promise<string> {
  const ok = async (args: readonly string[], doing: string): Promise<void> => {
    const { code, stderr } = await git([...QUIET, ...args]);
    if (code !== 0) throw failed(doing, stderr, code);
  };
  await ok(["init", "--quiet"], `failed to init repo at ${root}`);
  await ok(["remote", "add", "origin", source.remote], "failed to add origin repo");
  const fetched = await git([...QUIET, "fetch", "--depth", "1", "origin", "--", source.ref]);
  // Plain web servers have no shallow fetch; some servers give a commit only with its branch.
  if (fetched.code !== 0 && /shallow|dumb/.test(fetched.stderr))
    await ok(["fetch", "origin", "--", source.ref], "error fetching");
  else if (fetched.code !== 0 && isCommit(source.ref)) await ok(["fetch", "origin"], "error fetching");
  else if (fetched.code !== 0) throw failed("error fetching", fetched.stderr, fetched.code);
  const named = source.ref === "HEAD" ? "FETCH_HEAD" : source.ref;
  if ((await git([...QUIET, "checkout", "--quiet", named, "--"])).code !== 0)
    await ok(["checkout", "--quiet", "FETCH_HEAD", "--"], `error checking out ${source.ref}`);
  await ok(["submodule", "update", "--init", "--recursive", "--depth=1"], "error initializing submodules");
  return source.subdir === "" ? root : below(root, source.subdir);
}

function isCommit(ref: string): boolean {
  return /^[0-9a-f]{7,64}$/.test(ref);
}

function failed(doing: string, stderr: string, code: number): BerthError {
  return new BerthError("invalid-argument", `${doing}: ${withoutSecrets(stderr).trim()}: exit status ${code}`);
}

function withoutSecrets(text: string): string {
  return text.replaceAll(/\/\/[^/@\s']*@/g, "//xxxxx@");
}

/** A folder of the repository; its links may not lead out. */
function below(root: string, subdir: string): string {
  const outside = `error setting git context, ${JSON.stringify(subdir)} not within git root`;
  const real = realpathSync(root);
  let path: string;
  try {
    path = realpathSync(join(root, subdir));
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw error;
    throw new BerthError("invalid-argument", `${subdir}: no such folder in the git repository`);
  }
  if (path !== real && !path.startsWith(real + sep)) throw new BerthError("invalid-argument", outside);
  if (!statSync(path).isDirectory())
    throw new BerthError("invalid-argument", `error setting git context, not a directory: ${subdir}`);
  return path;
}
