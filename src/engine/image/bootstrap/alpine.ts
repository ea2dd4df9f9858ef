import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { listIfThere, readIfThere } from "../../../host/files.ts";
import { packTree } from "../../../layer/pack.ts";
import { unpackTar } from "../../../layer/unpack.ts";
import { BerthError, messageOf } from "../../../spec/errors.ts";
import { ALPINE_KEYS, pemOf } from "./alpine-keys.ts";
import { databaseTar, type Installed } from "./apk/database.ts";
import { type ApkEntry, type ApkIndex, readIndex, type TrustedKeys } from "./apk/index.ts";
import { openPackage } from "./apk/package.ts";
import { resolve } from "./apk/resolve.ts";
import { runInside, runScript } from "./apk/scripts.ts";
import { fitsPattern, touchedFolders, unpackPackage } from "./apk/unpack.ts";
import { downloadBytes, downloadFile } from "./download.ts";
import { distributionRun, type Recipe, type RecipeRequest, type Workshop } from "./recipe.ts";

const MIRROR = "https://dl-cdn.alpinelinux.org/alpine";
const KEYS = "/etc/apk/keys";
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: "x86_64", arm64: "aarch64" };
/** What the distribution's own minirootfs has. */
const BASE = ["alpine-baselayout", "alpine-keys", "apk-tools", "busybox", "libc-utils"];
const MAX_INDEX_FILE = 64 << 20;

/** `alpine:3.20`, `alpine:edge`: the packages of the distribution's minirootfs, without any program of this host but a shell, mount and chroot. */
export const alpine: Recipe = {
  name: "alpine",
  tags: "a version as 3.20, edge, latest",
  takes: ["mirror", "include", "key"],
  run: distributionRun("alpine", "/bin/sh"),
  prepare(request) {
    const arch = ARCHITECTURES[process.arch];
    if (!arch) throw new BerthError("not-implemented", `bootstrap: no alpine for ${process.arch}`);
    const branch = branchOf(request.tag ?? "latest");
    const keys = trustedKeys(request);
    return (shop) => make(shop, { ...request, arch, branch, trusted: keys });
  },
};

type Wanted = RecipeRequest & { arch: string; branch: string; trusted: TrustedKeys };

function branchOf(tag: string): string {
  if (tag === "latest") return "latest-stable";
  if (tag === "edge") return tag;
  const [, version] = /^v?(\d+\.\d+)$/.exec(tag) ?? [];
  if (version) return `v${version}`;
  throw new BerthError("invalid-argument", `bootstrap: "${tag}" is no branch of alpine`, {
    hint: "name a version as 3.20, or edge; a branch has its newest release",
  });
}

function trustedKeys({ keys }: RecipeRequest): TrustedKeys {
  if (keys.length > 0) return { byName: new Map(keys.map(({ name, data }) => [name, data.toString()])), given: true };
  const own = Object.entries(ALPINE_KEYS).map(([name, body]) => [name, pemOf(body)] as const);
  const host = listIfThere(KEYS).map((name) => [name, readIfThere(join(KEYS, name)) ?? ""] as const);
  return { byName: new Map([...own, ...host]), given: false };
}

async function* make(shop: Workshop, wanted: Wanted): AsyncGenerator<Uint8Array> {
  const mirror = wanted.mirror ?? MIRROR;
  const main = await repository(shop, wanted, `${mirror}/${wanted.branch}/main`);
  if (!main) throw new BerthError("not-found", `bootstrap: ${mirror} has no ${wanted.branch}/main for ${wanted.arch}`);
  // The base is in main; the larger list is worth its bytes only where something more is asked for.
  const more =
    wanted.include.length > 0 ? await repository(shop, wanted, `${mirror}/${wanted.branch}/community`) : undefined;
  const entries = [...main.entries, ...(more?.entries ?? [])];
  const release = entries.some((entry) => entry.name === "alpine-release") ? "alpine-release" : "alpine-base";
  const world = [...new Set([...BASE, release, ...wanted.include])];
  const packages = named("alpine", () => resolve(entries, world));
  const root = join(shop.dir, "root");
  await mkdir(root, { mode: 0o755 });
  const installed = await install(shop, packages, root);
  const branch = /^v\d+\.\d+/.exec(main.description)?.[0] ?? wanted.branch;
  const place = `${mirror.replace(/^file:\/\//, "")}/${wanted.branch === "latest-stable" ? branch : wanted.branch}`;
  const repositories = ["main", "community"].map((part) => `${place}/${part}`);
  const keys = wanted.trusted.given ? wanted.trusted.byName : new Map<string, string>();
  const settings = { world, repositories, arch: wanted.arch, keys: new Map(keys), epoch: shop.epoch };
  await unpackTar(databaseTar(installed, settings), root, { whiteouts: "plain" });
  // Nobody logs in as root without a password, as in the distribution's own.
  await runInside(shop, root, ["/bin/busybox", "sed", "-i", "s/^root::/root:*:/", "/etc/shadow"]);
  yield* packTree(root, { whiteouts: "plain", newest: shop.epoch });
}

async function repository(shop: Workshop, wanted: Wanted, url: string): Promise<ApkIndex | undefined> {
  const base = `${url}/${wanted.arch}`;
  const bytes = await downloadBytes(shop, { url: `${base}/APKINDEX.tar.gz`, limit: MAX_INDEX_FILE });
  if (!bytes) return undefined;
  const index = await namedAsync(`${base}/APKINDEX.tar.gz`, () => readIndex(bytes, wanted.trusted, base));
  shop.say(`I: ${base}: ${index.description || "no description"}, ${index.entries.length} packages`);
  return index;
}

/** Each after those it needs, with its scripts around it; then the triggers. */
async function install(shop: Workshop, packages: ApkEntry[], root: string): Promise<Installed[]> {
  const installed: Installed[] = [];
  for (const [i, entry] of packages.entries()) {
    const file = `${entry.name}-${entry.version}.apk`;
    const url = `${entry.base}/${file}`;
    const path = join(shop.dir, file);
    shop.say(`I: (${i + 1}/${packages.length}) ${entry.name} ${entry.version}`);
    if (!(await downloadFile(shop, { url, limit: entry.size }, path))) {
      throw new BerthError("unavailable", `bootstrap: ${url}: the mirror's index names it, and it is not there`);
    }
    const pkg = await namedAsync(url, () => openPackage(path, entry));
    await runScript(shop, root, { pkg, kind: "pre-install", args: [entry.version] });
    const own = await namedAsync(url, () => unpackPackage(pkg, root));
    for (const other of installed) for (const name of own.files.keys()) other.files.delete(name);
    installed.push(own);
    await rm(path);
    await runScript(shop, root, { pkg, kind: "post-install", args: [entry.version] });
  }
  const folders = touchedFolders(installed);
  for (const { pkg } of installed) {
    const args = folders.filter((folder) => pkg.triggers.some((pattern) => fitsPattern(folder, pattern)));
    if (args.length > 0) await runScript(shop, root, { pkg, kind: "trigger", args });
  }
  return installed;
}

function named<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw renamed(what, error);
  }
}

async function namedAsync<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw renamed(what, error);
  }
}

/** Says of which file it is. */
function renamed(what: string, cause: unknown): unknown {
  if (!(cause instanceof BerthError) || cause.kind === "no-space") return cause;
  return new BerthError(
    cause.kind === "invalid-argument" ? "unavailable" : cause.kind,
    `bootstrap: ${what}: ${messageOf(cause)}`,
    { cause },
  );
}
