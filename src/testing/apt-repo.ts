import { linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runOk } from "../host/spawn.ts";
import type { PgpKey } from "./pgp-key.ts";

const DEBS = join(import.meta.dir, "../../.build/minbase");

/** A repository of one suite in `folder`, with the packages that `tools/fetch-minbase` brought, as apt-ftparchive makes it; its InRelease is signed by `key`. */
export async function aptRepo(
  folder: string,
  options: { key: PgpKey; suite: string /** Further lines of the Release file. */; release?: string[] },
): Promise<void> {
  const { suite, key } = options;
  const dist = join(folder, "dists", suite);
  mkdirSync(join(folder, "pool"), { recursive: true });
  for (const name of readdirSync(DEBS)) linkSync(join(DEBS, name), join(folder, "pool", name));
  for (const component of ["main", "universe"]) {
    mkdirSync(join(dist, component, "binary-amd64"), { recursive: true });
    const packages = component === "main" ? await runOk(["apt-ftparchive", "packages", "pool"], { cwd: folder }) : "";
    // As the distributions' own lists have it; the package itself calls itself important only.
    const text = packages.replace(/^(Package: apt\n(?:.+\n)*?Priority: )important$/m, "$1required");
    writeFileSync(join(dist, component, "binary-amd64", "Packages"), text);
  }
  const fields = { Suite: suite, Codename: suite, Components: "main universe", Architectures: "amd64" };
  const settings = Object.entries(fields).flatMap(([k, v]) => ["-o", `APT::FTPArchive::Release::${k}=${v}`]);
  const release = await runOk(["apt-ftparchive", ...settings, "release", dist]);
  await signRelease(folder, { key, suite, text: [...(options.release ?? []), release].join("\n") });
}

/** Signs another text as the suite's release. */
export async function signRelease(
  folder: string,
  options: { key: PgpKey; suite: string; text: string },
): Promise<void> {
  writeFileSync(join(folder, "dists", options.suite, "InRelease"), await options.key.clearSign(options.text));
}

/** Changes the suite's signed release in place. */
export function editRelease(folder: string, suite: string, edit: (text: string) => string): void {
  const path = join(folder, "dists", suite, "InRelease");
  writeFileSync(path, edit(readFileSync(path, "utf8")));
}
