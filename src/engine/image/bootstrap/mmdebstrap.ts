import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { BerthError } from "../../../spec/errors.ts";
import { aptOptions, hostSources } from "./apt-sources.ts";
import { requireProgram, streamProgram } from "./program.ts";
import { distributionRun, type KeyFile, type Recipe, type RecipeRequest, type Workshop } from "./recipe.ts";

/** A distribution that mmdebstrap can make. */
export interface AptDistribution {
  /** ID in os-release(5), and the image's name. */
  id: string;
  keyring: string;
  keyringPackage: string;
  components: string;
  /** Suites by other names: versions, and what `latest` means. */
  suites: Record<string, string>;
}

const SLIM = ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*"];
const SUITE = /^[a-z][a-z0-9-]*$/;
/** What apt says of a mirror or of a signature, and mmdebstrap of anything else. */
const COMPLAINT = /^(?:E: |W: (?=GPG error))/;

const FILE_AGAIN = `--customize-hook=sed -i 's,^deb copy:,deb file:,' "$1/etc/apt/sources.list"`;

/** The recipe of a distribution with apt: mmdebstrap, with the distribution's keyring of this host or the keys that are given. */
export function mmdebstrapRecipe(distribution: AptDistribution): Recipe {
  return {
    name: distribution.id,
    tags: `a suite, a version (${Object.keys(distribution.suites).join(", ")}), either with -slim`,
    takes: ["mirror", "include", "key"],
    run: distributionRun(distribution.id, "bash"),
    prepare(request) {
      const wanted = suiteOf(distribution, request.tag ?? "latest");
      requireProgram("mmdebstrap");
      requireKeyring(distribution, request);
      return async function* (shop) {
        const keyring = request.keys.length > 0 ? await keyFolder(shop, request.keys) : distribution.keyring;
        const argv = await command(distribution, { ...request, ...wanted, keyring });
        yield* streamProgram(shop, argv, { complaint: COMPLAINT });
      };
    },
  };
}

function suiteOf(distribution: AptDistribution, tag: string): { suite: string; slim: boolean } {
  const slim = tag.endsWith("-slim");
  const plain = slim ? tag.slice(0, -"-slim".length) : tag;
  const suite = distribution.suites[plain] ?? plain;
  if (SUITE.test(suite)) return { suite, slim };
  throw new BerthError("invalid-argument", `bootstrap: "${plain}" is no suite of ${distribution.id}`);
}

function requireKeyring(distribution: AptDistribution, request: RecipeRequest): void {
  if (request.keys.length > 0 || existsSync(distribution.keyring)) return;
  throw new BerthError(
    "not-found",
    `bootstrap: no keys to verify ${distribution.id}: ${distribution.keyring} is not there`,
    { hint: `apt-get install ${distribution.keyringPackage}, or name a key with --key` },
  );
}

/** apt tells armored keys from binary ones by the ending of their names. */
async function keyFolder(shop: Workshop, keys: KeyFile[]): Promise<string> {
  const dir = `${shop.dir}/keys`;
  await mkdir(dir);
  await Promise.all(
    keys.map(({ data }, i) => {
      const armored = data.includes("-----BEGIN PGP PUBLIC KEY BLOCK-----");
      return writeFile(`${dir}/key-${i + 1}.${armored ? "asc" : "gpg"}`, data);
    }),
  );
  return dir;
}

async function command(
  distribution: AptDistribution,
  wanted: RecipeRequest & { suite: string; slim: boolean; keyring: string },
): Promise<string[]> {
  const { suite, mirror, keyring } = wanted;
  // apt's own copies: a mirror that is mounted into the new tree would be in reach of the clean-up after a failure.
  const sources = mirror
    ? [`deb ${mirror.replace(/^file:/, "copy:")} ${suite} ${distribution.components}`]
    : await hostSources(distribution, suite);
  const include = [...wanted.include, ...(sources.some((s) => s.includes("https://")) ? ["ca-certificates"] : [])];
  return [
    ...["mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar"],
    ...(include.length > 0 ? [`--include=${include.join(",")}`] : []),
    ...(await aptOptions()).map((line) => `--aptopt=${line}`),
    ...(wanted.slim ? SLIM.map((path) => `--dpkgopt=path-exclude=${path}`) : []),
    ...(mirror?.startsWith("file:") ? [FILE_AGAIN] : []),
    // The image's own apt has to know the keys as well.
    ...(wanted.keys.length > 0
      ? [`--customize-hook=install -D -m 644 -t "$1/etc/apt/trusted.gpg.d" ${shellWord(keyring)}/*`]
      : []),
    `--keyring=${keyring}`,
    ...[suite, "-", ...sources],
  ];
}

function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
