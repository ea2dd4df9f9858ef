import type { ChainId, LayerStore, RootView } from "../layer/types.ts";
import type { ResolvedUser } from "../runtime/types.ts";
import { BerthError } from "../spec/errors.ts";

const MAX_ID = 2 ** 31 - 1;

interface Account {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

interface Group {
  name: string;
  gid: number;
  members: string[];
}

/** What passwd(5) and group(5) of one root file system say. */
export interface Accounts {
  accounts: Account[];
  groups: Group[];
}

const ETC = "/etc";
const PASSWD = "/etc/passwd";
const GROUP = "/etc/group";
const FILES = [PASSWD, GROUP];
const KEPT = 32;

/** The accounts of a root file system; without the files there are none. */
export function readAccounts(view: RootView): Accounts {
  const text = (file: string): string => view.readFile(file)?.toString() ?? "";
  return { accounts: parsePasswd(text(PASSWD)), groups: parseGroup(text(GROUP)) };
}

/** The accounts of images, kept: layers never change, and most containers leave the two files alone. */
export class AccountsCache {
  readonly #images = new Map<ChainId | undefined, Accounts & { links: boolean }>();

  constructor(private readonly layers: LayerStore) {}

  /** The accounts of the stack `top`, or of `upper` over it. */
  of(top: ChainId | undefined, upper?: string): Accounts {
    const image = this.#images.get(top) ?? this.#read(top);
    const own = upper !== undefined && (image.links || this.#changed(upper));
    return own ? readAccounts(this.layers.view(top, upper)) : image;
  }

  #changed(upper: string): boolean {
    // Most containers have no /etc of their own: one look then.
    const touched = (path: string): boolean => this.layers.touched(upper, path);
    return touched(ETC) && FILES.some(touched);
  }

  #read(top: ChainId | undefined): Accounts & { links: boolean } {
    const view = this.layers.view(top);
    const image = { ...readAccounts(view), links: FILES.some((file) => view.resolve(file) !== file) };
    const [oldest] = this.#images.keys();
    if (this.#images.size >= KEPT) this.#images.delete(oldest);
    this.#images.set(top, image);
    return image;
  }
}

/**
 * `user[:group]`, each a name or a number, against the container's own passwd(5) and group(5). An unknown number is fine, an
 * unknown name throws `invalid-argument` in Docker's words. `extra` are further groups (`--group-add`).
 */
export function resolveUser({ accounts, groups }: Accounts, text: string, extra: readonly string[] = []): ResolvedUser {
  const [userText = "", groupText] = text.split(/:(.*)/s);
  const wanted = userText || "0";
  const number = idOf(wanted);
  const account = accounts.find((a) => a.name === wanted) ?? accounts.find((a) => a.uid === number);
  if (!account && number === undefined) throw noMatch("user", wanted, "passwd");
  const uid = account?.uid ?? number ?? 0;
  const gid = groupText ? gidOf(groups, groupText) : (account?.gid ?? 0);
  // With a group of its own the process gets that one alone.
  const member = groupText ? [] : groups.filter((g) => account && g.members.includes(account.name)).map((g) => g.gid);
  const added = extra.map((name) => gidOf(groups, name));
  // The primary group is always among them: a process without it would get around files that deny that group (CVE-2022-36109).
  return { uid, gid, additionalGids: [...new Set([gid, ...member, ...added])], home: account?.home || "/" };
}

function gidOf(groups: Group[], text: string): number {
  const number = idOf(text);
  const gid = groups.find((g) => g.name === text)?.gid ?? number;
  if (gid === undefined) throw noMatch("group", text, "group");
  return gid;
}

function noMatch(what: string, name: string, file: string): BerthError {
  return new BerthError("invalid-argument", `unable to find ${what} ${name}: no matching entries in ${file} file`);
}

function idOf(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  if (Number(text) >= 0 && Number(text) <= MAX_ID) return Number(text);
  throw new BerthError("invalid-argument", `uids and gids must be in range 0-${MAX_ID}`);
}

function parsePasswd(text: string): Account[] {
  return rows(text).map(([name = "", , uid, gid, , home = ""]) => ({ name, uid: Number(uid), gid: Number(gid), home }));
}

function parseGroup(text: string): Group[] {
  return rows(text).map(([name = "", , gid, members = ""]) => ({
    name,
    gid: Number(gid),
    members: members.split(","),
  }));
}

function rows(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line.includes(":") && !line.startsWith("#"))
    .map((line) => line.split(":"));
}
