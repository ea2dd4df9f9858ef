import { mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { listIfThere } from "../../../host/files.ts";
import { packTree } from "../../../layer/pack.ts";
import { BerthError } from "../../../spec/errors.ts";
import { requireProgram, runProgram } from "./program.ts";
import { distributionRun, type KeyFile, type Recipe, type RecipeRequest, type Workshop } from "./recipe.ts";

/** A distribution whose packages are RPMs. `VERSION` and `ARCH` in its URLs stand for what is asked for. */
export interface DnfDistribution {
  /** The image's name. */
  id: string;
  mirror: string;
  /** Folders of the repositories below the mirror. */
  repositories: string[];
  /** Where its keys are on a host that has them; a pattern's folder and beginning. */
  keys: { folder: string; prefix: string };
  /** What `latest` is, and what versions look like. */
  latest: string;
  versions: RegExp;
  packages: string[];
  /** Its mirrors' indexes are signed, not its packages alone. */
  signedIndex: boolean;
  /** Where its rpm keeps what is installed. */
  database: (version: string) => string;
}

const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: "x86_64", arm64: "aarch64" };
const COMPLAINT = /^(?:Error: |error: |Failed to |Errors during downloading metadata for repository )/;
/** What dnf leaves in the tree for its next call, which is none of the image's. */
const TRACES = [
  "var/cache/dnf",
  "var/lib/dnf",
  "var/log/dnf.log",
  "var/log/dnf.rpm.log",
  "var/log/dnf.librepo.log",
  "var/log/hawkey.log",
];
/** Scripts of packages need the usual devices; they are the namespace's and go with it. */
const DEVICES = `mkdir -p "$1/dev" && mount -t tmpfs -o mode=755 dev "$1/dev" &&
  mknod -m 666 "$1/dev/null" c 1 3 && mknod -m 666 "$1/dev/zero" c 1 5 && mknod -m 666 "$1/dev/random" c 1 8 &&
  mknod -m 666 "$1/dev/urandom" c 1 9 && shift && exec "$@"`;

/** The recipe of a distribution with dnf: every package's signature is checked against its keys of this host, or those that are given; and the index's where it has one. */
export function dnfRecipe(distribution: DnfDistribution): Recipe {
  return {
    name: distribution.id,
    tags: `a version such as ${distribution.latest}`,
    takes: ["mirror", "include", "key"],
    run: distributionRun(distribution.id, "bash"),
    prepare(request) {
      const version = request.tag === undefined || request.tag === "latest" ? distribution.latest : request.tag;
      if (!distribution.versions.test(version))
        throw new BerthError("invalid-argument", `bootstrap: "${version}" is no version of ${distribution.id}`);
      requireProgram("dnf");
      const keys = request.keys.length > 0 ? request.keys : hostKeys(distribution);
      return (shop) => make(shop, { distribution, request, version, keys });
    },
  };
}

interface Wanted {
  distribution: DnfDistribution;
  request: RecipeRequest;
  version: string;
  keys: (KeyFile | string)[];
}

/** The paths of the distribution's keys where this host has them. */
function hostKeys({ id, keys }: DnfDistribution): string[] {
  const found = listIfThere(keys.folder).filter((name) => name.startsWith(keys.prefix));
  if (found.length > 0) return found.map((name) => join(keys.folder, name));
  throw new BerthError("not-found", `bootstrap: no keys to verify ${id}: no ${keys.folder}/${keys.prefix}* is there`, {
    hint: "name the distribution's public key with --key",
  });
}

async function* make(shop: Workshop, wanted: Wanted): AsyncGenerator<Uint8Array> {
  const { distribution, request, version } = wanted;
  const root = join(shop.dir, "root");
  await mkdir(root, { mode: 0o755 });
  const config = await settings(shop, wanted);
  const packages = [...new Set([...distribution.packages, ...request.include])];
  const dnf = ["dnf", "-c", config, `--installroot=${root}`, `--releasever=${version}`, "-y", "install", ...packages];
  // Its macros say where the new tree's database is: this host's rpm has another place.
  await runProgram(shop, ["sh", "-c", DEVICES, "sh", root, ...dnf], {
    env: { HOME: shop.dir },
    complaint: COMPLAINT,
    name: "dnf",
  });
  for (const trace of TRACES) await rm(join(root, trace), { recursive: true, force: true });
  await tidyDatabase(join(root, distribution.database(version)));
  yield* packTree(root, { whiteouts: "plain", newest: shop.epoch });
}

/** Locks and shared memory go; a write-ahead log does where all of it is in the database already. */
async function tidyDatabase(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (/-shm$|\.lock$/.test(name) || (name.endsWith("-wal") && (await stat(path)).size === 0)) await rm(path);
  }
}

/** dnf.conf, one repository a file, keys, and rpm's macros, all in the workshop. Returns the path of the first. */
async function settings(shop: Workshop, { distribution, request, version, keys }: Wanted): Promise<string> {
  const repos = join(shop.dir, "repos");
  await mkdir(repos);
  const files = await Promise.all(keys.map((key, i) => (typeof key === "string" ? key : keep(shop, key, i))));
  const gpgkey = files.map((path) => `file://${path}`).join(" ");
  for (const [i, folder] of distribution.repositories.entries()) {
    const baseurl = `${request.mirror ?? distribution.mirror}/${placed(folder, version)}`;
    const signed = distribution.signedIndex ? 1 : 0;
    const lines = [
      `[base${i}]`,
      `name=${baseurl}`,
      `baseurl=${baseurl}`,
      "gpgcheck=1",
      `repo_gpgcheck=${signed}`,
      `gpgkey=${gpgkey}`,
    ];
    await writeFile(join(repos, `base${i}.repo`), `${lines.join("\n")}\n`);
  }
  await writeFile(join(shop.dir, ".rpmmacros"), `%_dbpath /${distribution.database(version)}\n`);
  const path = join(shop.dir, "dnf.conf");
  const main = ["gpgcheck=1", "install_weak_deps=0", "tsflags=nodocs", `reposdir=${repos}`, "plugins=0", "retries=3"];
  const folders = ["cachedir=/var/cache/dnf", "logdir=/var/log", "persistdir=/var/lib/dnf"];
  await writeFile(path, `${["[main]", ...main, ...folders].join("\n")}\n`);
  return path;
}

async function keep({ dir }: Workshop, { data }: KeyFile, i: number): Promise<string> {
  const path = join(dir, `key-${i}.asc`);
  await writeFile(path, data);
  return path;
}

function placed(folder: string, version: string): string {
  const arch = ARCHITECTURES[process.arch];
  if (!arch) throw new BerthError("not-implemented", `bootstrap: no packages for ${process.arch}`);
  return folder.replaceAll("VERSION", version).replaceAll("ARCH", arch);
}
