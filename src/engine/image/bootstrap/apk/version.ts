/** One requirement: a name, and what its version has to be. */
export interface Requirement {
  name: string;
  /** The package must not be there. */
  conflict: boolean;
  operator: string;
  version: string;
}

const SUFFIXES = ["alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"];
const PLAIN = SUFFIXES.indexOf("");

/** `!name`, `name`, `name>=1.2`, `name~1.2`, `name@tag`, `so:libc.so.6` … → its parts (apk-world(5)). */
export function parseRequirement(text: string): Requirement {
  const [, bang, name = "", operator = "", version = ""] =
    /^(!?)([^<>=~@]+)(?:@[\w-]+)?([<>=~]*)(.*)$/.exec(text) ?? [];
  return { name, conflict: bang === "!", operator, version };
}

/** Whether a version is what a requirement asks for. Nothing that is not a version order satisfies an operator that is none. */
export function satisfies(version: string, { operator, version: wanted }: Requirement): boolean {
  if (operator === "") return true;
  const order = compareVersions(version, wanted);
  switch (operator) {
    case "=":
      return order === 0;
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
    case "~":
    case "=~":
    case "~=":
      return isPrefix(wanted, version);
    default:
      return false;
  }
}

/** apk's order of versions `1.2.3a_rc1_p2-r4` (apk-package(5)): negative, 0 or positive. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [parse(a), parse(b)];
  return (
    compareNumbers(x.numbers, y.numbers) ||
    compareText(x.letter, y.letter) ||
    compareSuffixes(x.suffixes, y.suffixes) ||
    x.revision - y.revision
  );
}

interface Version {
  numbers: string[];
  letter: string;
  suffixes: { rank: number; n: number }[];
  revision: number;
}

function parse(text: string): Version {
  const [, numbers = "", letter = "", suffixes = "", revision = "0"] =
    /^([0-9]+(?:\.[0-9]+)*)([a-z]?)((?:_[a-z]+[0-9]*)*)(?:~[0-9a-f]+)?(?:-r([0-9]+))?/.exec(text) ?? [];
  return {
    numbers: numbers.split("."),
    letter,
    suffixes: [...suffixes.matchAll(/_([a-z]+)([0-9]*)/g)].map(([, word = "", n = ""]) => ({
      rank: SUFFIXES.indexOf(word),
      n: Number(n),
    })),
    revision: Number(revision),
  };
}

/** The first number counts as one; a later one that begins with 0 is a fraction, and compares as text. */
function compareNumbers(a: string[], b: string[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x = "", y = ""] = [a[i], b[i]];
    const isFraction = i > 0 && (x.startsWith("0") || y.startsWith("0"));
    const order = isFraction ? compareText(x, y) : Number(x) - Number(y);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareSuffixes(a: Version["suffixes"], b: Version["suffixes"]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [x, y] = [a[i] ?? { rank: PLAIN, n: 0 }, b[i] ?? { rank: PLAIN, n: 0 }];
    if (x.rank !== y.rank) return x.rank - y.rank;
    if (x.n !== y.n) return x.n - y.n;
  }
  return 0;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** `1.2` is a prefix of `1.2.3-r0` and of `1.2-r1`, and not of `1.20`. */
function isPrefix(wanted: string, version: string): boolean {
  return version.startsWith(wanted) && !/^[0-9]/.test(version.slice(wanted.length));
}
