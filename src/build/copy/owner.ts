import type { RootView } from "../../layer/types.ts";
import { BerthError } from "../../spec/errors.ts";

/** Numeric owner of a file. */
export interface Owner {
  uid: number;
  gid: number;
}

const MAX_ID = 0xffff_fffe;

/**
 * `user[:group]` of --chown or USER as numbers, names looked up in the image's /etc/passwd and /etc/group. Without a group, a named user's own
 * group counts, and a number is both. Throws `invalid-argument` with Docker's words.
 */
export function resolveOwner(text: string, view: RootView): Owner {
  const [user = "", group, extra] = text.split(":");
  if (extra !== undefined || user === "") {
    throw new BerthError("invalid-argument", `invalid chown string: "${text}"`, { hint: "user[:group]" });
  }
  const { uid, gid } = findUser(user, view);
  return { uid, gid: group ? findGroup(group, view) : gid };
}

function findUser(user: string, view: RootView): Owner {
  const id = numeric(user);
  if (id !== undefined) return { uid: id, gid: id };
  const fields = lookup(view, "/etc/passwd", user);
  const [uid, gid] = [numeric(fields?.[2] ?? ""), numeric(fields?.[3] ?? "")];
  if (uid === undefined || gid === undefined) throw unknown("uid", "user", user);
  return { uid, gid };
}

function findGroup(group: string, view: RootView): number {
  const gid = numeric(group) ?? numeric(lookup(view, "/etc/group", group)?.[2] ?? "");
  if (gid === undefined) throw unknown("gid", "group", group);
  return gid;
}

function lookup(view: RootView, file: string, name: string): string[] | undefined {
  const text = view.readFile(view.resolve(file))?.toString() ?? "";
  return text
    .split("\n")
    .map((line) => line.split(":"))
    .find((fields) => fields[0] === name);
}

function numeric(text: string): number | undefined {
  const id = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return id <= MAX_ID ? id : undefined;
}

function unknown(id: string, what: string, name: string): BerthError {
  return new BerthError(
    "invalid-argument",
    `unable to convert uid/gid chown string to host mapping: can't find ${id} for ${what} ${name}: no such ${what}: ${name}`,
  );
}
