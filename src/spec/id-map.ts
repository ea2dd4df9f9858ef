import { BerthError } from "./errors.ts";

/** A user and a group, by number. */
export interface Owner {
  uid: number;
  gid: number;
}

/** Whose files of the host are whose in a container, and the reverse. */
export interface IdMap {
  host: Owner;
  container: Owner;
}

/** What a person asks for: `me` is whoever calls, no container's owner the user that the container runs as. */
export interface IdMapWish {
  host: Owner | "me";
  container?: Owner;
}

/**
 * The id that takes what is displaced: -2, which no account and no `--user` can be. So the files that the container's user owns on the disk are
 * nobody's inside, and no third user of the container writes as somebody of the host.
 */
export const DISPLACED = 2 ** 32 - 2;
const END = 2 ** 32 - 1;

/** `me` or `UID:GID`, and behind `@` the same of the container. A point may stand for each colon, and a lone UID has the group of that number. Throws `invalid-argument`. */
export function parseIdMap(text: string): IdMapWish {
  const [host = "", inside, ...more] = text.split("@");
  const owners = { host: host === "me" ? ("me" as const) : ownerOf(host), inside: ownerOf(inside ?? "0") };
  if (!owners.host || !owners.inside || more.length > 0)
    throw new BerthError(
      "invalid-argument",
      `invalid map: '${text}' (must be me, UID:GID, or one of them with @UID:GID)`,
    );
  return { host: owners.host, ...(inside === undefined ? {} : { container: owners.inside }) };
}

function ownerOf(text: string): Owner | undefined {
  const [, user = "", group = user] = /^(\d{1,10})(?:[.:](\d{1,10}))?$/.exec(text) ?? [];
  const [uid, gid] = [Number(user), Number(group)];
  return user !== "" && uid < DISPLACED && gid < DISPLACED ? { uid, gid } : undefined;
}

/** True where the map leaves everything as it is. */
export function changesNothing({ host, container }: IdMap): boolean {
  return host.uid === container.uid && host.gid === container.gid;
}

/**
 * A mount's map of ids in the kernel's form, "id on the disk, id as it is seen, count" a line: `disk` is seen as `seen`, what is `seen` on the disk as `DISPLACED`,
 * and all others as themselves.
 */
export function kernelMap(disk: number, seen: number): string {
  if (disk === seen) return `0 0 ${END}\n`;
  const moved = new Map([
    [disk, seen],
    [seen, DISPLACED],
    [DISPLACED, disk],
  ]);
  const lines: string[] = [];
  let next = 0;
  for (const [from, to] of [...moved].sort(([a], [b]) => a - b)) {
    if (from > next) lines.push(`${next} ${next} ${from - next}`);
    lines.push(`${from} ${to} 1`);
    next = from + 1;
  }
  return `${lines.join("\n")}\n`;
}
