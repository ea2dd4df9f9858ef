import { MS } from "../host/sys.ts";

/** What mount(2) is told of the option `o`: flags, how the mount propagates, and what is left for the file system. */
export interface ParsedOptions {
  flags: number;
  propagation: number;
  data: string;
}

const MANDLOCK = 64;
const DIRSYNC = 128;
const SYNCHRONOUS = 16;
const NOATIME = 1024;
const NODIRATIME = 2048;
const RELATIME = 1 << 21;
const STRICTATIME = 1 << 24;
const UNBINDABLE = 1 << 17;

const SET: Record<string, number> = {
  ro: MS.RDONLY,
  nosuid: MS.NOSUID,
  nodev: MS.NODEV,
  noexec: MS.NOEXEC,
  sync: SYNCHRONOUS,
  dirsync: DIRSYNC,
  remount: MS.REMOUNT,
  mand: MANDLOCK,
  noatime: NOATIME,
  nodiratime: NODIRATIME,
  bind: MS.BIND,
  rbind: MS.BIND | MS.REC,
  relatime: RELATIME,
  strictatime: STRICTATIME,
};
const CLEAR: Record<string, number> = {
  rw: MS.RDONLY,
  suid: MS.NOSUID,
  dev: MS.NODEV,
  exec: MS.NOEXEC,
  async: SYNCHRONOUS,
  nomand: MANDLOCK,
  atime: NOATIME,
  diratime: NODIRATIME,
  norelatime: RELATIME,
  nostrictatime: STRICTATIME,
};
const PROPAGATION: Record<string, number> = {
  private: MS.PRIVATE,
  rprivate: MS.PRIVATE | MS.REC,
  slave: MS.SLAVE,
  rslave: MS.SLAVE | MS.REC,
  shared: MS.SHARED,
  rshared: MS.SHARED | MS.REC,
  unbindable: UNBINDABLE,
  runbindable: UNBINDABLE | MS.REC,
};

/** As Docker reads them: its own words are flags, anything else goes to the file system as it is. `defaults` says nothing. */
export function parseMountOptions(o: string): ParsedOptions {
  const parsed = { flags: 0, propagation: 0 };
  const data: string[] = [];
  const own = (table: Record<string, number>, word: string): number =>
    Object.hasOwn(table, word) ? (table[word] ?? 0) : 0;
  for (const word of o.split(",")) {
    if (own(SET, word)) parsed.flags |= own(SET, word);
    else if (own(CLEAR, word)) parsed.flags &= ~own(CLEAR, word);
    else if (own(PROPAGATION, word)) parsed.propagation |= own(PROPAGATION, word);
    else if (word !== "" && word !== "defaults") data.push(word);
  }
  return { ...parsed, data: data.join(",") };
}

/** For messages. */
export function withoutPasswords(data: string): string {
  return data.replace(/((?:^|,)pass(?:word2?|wd)?=)[^,]*/gi, "$1********");
}
