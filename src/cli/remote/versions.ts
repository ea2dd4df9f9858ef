import semver from "semver";
import { BerthError } from "../../spec/errors.ts";
import { naturalOrder } from "../format/natural.ts";

/** Tags leave out what is zero, may begin with a `v`, and have suffixes that are no prereleases by semver's letter: `1.2`, `v3`, `1.36-glibc`, `2.0_b1`. */
const VERSION = /^v?(\d{1,12})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?((?:[-+_].*)?)$/;

/** The version that a tag stands for; undefined for `latest` and other names. What a tag leaves out is zero. */
export function versionOf(tag: string): semver.SemVer | undefined {
  const [, major, minor = "0", patch = "0", rest = ""] = VERSION.exec(tag) ?? [];
  if (major === undefined) return undefined;
  const plain = [major, minor, patch].map(Number).join(".");
  return semver.parse(`${plain}${rest.replaceAll("_", "-")}`, { loose: true }) ?? undefined;
}

/** Versions first, the highest first (semver.org, section 11); other tags behind them, by name. */
export function byVersion(tags: readonly string[]): string[] {
  const known = tags.map((tag) => ({ tag, version: versionOf(tag) }));
  const sorted = known.sort((a, b) => {
    if (a.version && b.version) return b.version.compare(a.version) || naturalOrder(b.tag, a.tag);
    if (a.version || b.version) return a.version ? -1 : 1;
    return naturalOrder(a.tag, b.tag);
  });
  return sorted.map(({ tag }) => tag);
}

/**
 * Which tags are versions in a range such as `>=1.2 <2`, `^1.4`, `1.x || 3`. Those with a suffix (`-rc1`, `-alpine`) count only where the range names one of the same version, or with
 * `pre`. Throws `invalid-argument` for what is no range.
 */
export function inRange(range: string, { pre }: { pre: boolean }): (tag: string) => boolean {
  if (semver.validRange(range) === null) {
    throw new BerthError("invalid-argument", `invalid range of versions ${JSON.stringify(range)}`, {
      hint: "such as '>=1.2 <2', '^1.4' or '1.x'",
    });
  }
  const parsed = new semver.Range(range, { includePrerelease: pre });
  return (tag) => {
    const version = versionOf(tag);
    return version !== undefined && parsed.test(version);
  };
}
