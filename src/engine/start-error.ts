import { BerthError, messageOf } from "../spec/errors.ts";

const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const OTHER = 128;

/** A failed start as its client sees it, and the exit code that the container or exec gets. */
export interface StartFailure {
  error: BerthError;
  code: number;
}

/**
 * Turns what the OCI runtime said of a start into Docker's words, which the docker command reads: "executable file not found" and "permission
 * denied" make its exit codes 127 and 126. crun and runc put the same thing differently.
 */
export function runtimeFailure(thrown: unknown, argv0: string): StartFailure {
  const text = messageOf(thrown);
  const cause = isMount(text) ? undefined : commandProblem(text, argv0);
  const words = `failed to create task for container: failed to create shim task: OCI runtime create failed: unable to start container process: ${cause?.words ?? mountProblem(text)}: unknown`;
  return {
    error: new BerthError(cause || isRefusedLimit(text) ? "invalid-argument" : "internal", words, { cause: thrown }),
    code: cause?.code ?? OTHER,
  };
}

/** The same for an exec, whose words begin differently; Docker gives 127 also for a missing working directory. */
export function execFailure(thrown: unknown, argv0: string): StartFailure {
  const text = messageOf(thrown);
  const cause = commandProblem(text, argv0);
  const words = `OCI runtime exec failed: exec failed: unable to start container process: ${cause?.words ?? text}: unknown`;
  const code = cause?.code ?? (/no such file or directory/i.test(text) ? NOT_FOUND : NOT_EXECUTABLE);
  return { error: new BerthError(cause ? "invalid-argument" : "internal", words, { cause: thrown }), code };
}

const isMount = (text: string): boolean => /^mount `/.test(text);

/** What people search for. */
function mountProblem(text: string): string {
  const advice =
    "Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type";
  return isMount(text) && /: Not a directory$/.test(text) ? `${text}: ${advice}` : text;
}

/** The kernel takes a limit only within bounds of its own: a value outside of them is the client's mistake. */
function isRefusedLimit(text: string): boolean {
  return /writ(?:ing|e).*(?:cpu|memory|pids|blkio|io|cpuset)\.[a-z_.]+.*invalid argument/i.test(text);
}

function commandProblem(text: string, argv0: string): { words: string; code: number } | undefined {
  const quoted = `exec: "${argv0}"`;
  if (argv0 === "") return { words: `${quoted}: executable file not found in $PATH`, code: NOT_FOUND };
  const has = (pattern: RegExp): boolean => pattern.test(text);
  // Working directories come first: their messages also end in "no such file".
  if (has(/chdir|working directory|cwd/i)) return undefined;
  if (has(/executable file .*not found|not found in \$PATH/i)) {
    const missing = argv0.includes("/")
      ? `stat ${argv0}: no such file or directory`
      : "executable file not found in $PATH";
    return { words: `${quoted}: ${missing}`, code: NOT_FOUND };
  }
  const aboutCommand = has(/\bexec|executable/i);
  if (!aboutCommand) return undefined;
  if (has(/is a directory/i)) return { words: `${quoted}: is a directory: permission denied`, code: NOT_EXECUTABLE };
  // crun opens the command for execution, which the kernel refuses so for a folder.
  if (has(/permission denied|open executable: Operation not permitted/i))
    return { words: `${quoted}: permission denied`, code: NOT_EXECUTABLE };
  if (has(/no such file or directory/i))
    return { words: `${quoted}: stat ${argv0}: no such file or directory`, code: NOT_FOUND };
  if (has(/exec format error/i)) return { words: `exec ${argv0}: exec format error`, code: NOT_EXECUTABLE };
  return undefined;
}
