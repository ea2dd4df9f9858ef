import { closeSync, openSync, realpathSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { readIfThere, writeAtomic } from "../../../host/files.ts";
import { hashBcrypt } from "../../../host/password.ts";
import { flock, LOCK } from "../../../host/sys.ts";
import { BerthError, errnoOf, fromErrno } from "../../../spec/errors.ts";
import { parseHtpasswd, whyNotName } from "./htpasswd.ts";

/**
 * Writes a user's line into a file of users, in place of his old one if he has one; the other lines, comments included, stay as they are. A file that is not there is made, for
 * its owner alone. Resolves to false where the user was there before. Several at once wait for each other; a kill leaves the old file or the new one. Throws `invalid-argument`
 * for names and passwords that would not work, and for a file that is not sound.
 */
export async function addUser({
  file,
  user,
  password,
}: {
  file: string;
  user: string;
  password: string;
}): Promise<boolean> {
  const wrong = whyNotName(user);
  if (wrong) throw new BerthError("invalid-argument", wrong);
  const line = `${user}:${await hashBcrypt(password)}`;
  return edit(file, (lines) => {
    const at = lines.findIndex((text) => isOf(text, user));
    if (at >= 0) return { lines: lines.with(at, line), result: false };
    return { lines: [...lines, line], result: true };
  });
}

/** Takes a user's line away. Throws `not-found` where there is none. */
export function removeUser({ file, user }: { file: string; user: string }): void {
  edit(file, (lines) => {
    const rest = lines.filter((text) => !isOf(text, user));
    if (rest.length === lines.length) throw new BerthError("not-found", `${file}: no user ${JSON.stringify(user)}`);
    return { lines: rest, result: undefined };
  });
}

/** The users' names in the file's order. Throws `not-found` where there is no file. */
export function listUsers(file: string): string[] {
  const text = readIfThere(file);
  if (text === undefined) throw new BerthError("not-found", `${file}: no such file`);
  return [...parseHtpasswd(text, file).keys()];
}

function edit<T>(file: string, change: (lines: string[]) => { lines: string[]; result: T }): T {
  const path = targetOf(file);
  const folder = openFolder(dirname(path), file);
  try {
    flock(folder, LOCK.EX);
    const text = readIfThere(path) ?? "";
    parseHtpasswd(text, file);
    const { lines, result } = change(text === "" ? [] : text.replace(/\n$/, "").split("\n"));
    const stat = statSync(path, { throwIfNoEntry: false });
    writeAtomic(path, lines.map((line) => `${line}\n`).join(""), {
      mode: 0o600,
      durable: true,
      ...(stat ? { like: stat } : {}),
    });
    return result;
  } catch (error) {
    throw fromErrno(error, file);
  } finally {
    closeSync(folder);
  }
}

/** Where the file really is: a link to it stays one. */
function targetOf(file: string): string {
  try {
    return realpathSync(file);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return resolve(file);
    throw fromErrno(error, file);
  }
}

function openFolder(path: string, file: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw fromErrno(error, file);
  }
}

function isOf(line: string, user: string): boolean {
  return line.trimStart().startsWith(`${user}:`);
}
