import { expect, test } from "bun:test";
import { type FlagTable, parseFlags } from "./flags.ts";

const TABLE = {
  detach: { kind: "bool", short: "d", help: "" },
  env: { kind: "list", short: "e", help: "" },
  interactive: { kind: "bool", short: "i", help: "" },
  last: { kind: "int", short: "n", help: "", fallback: -1 },
  memory: { kind: "bytes", short: "m", help: "" },
  swap: { kind: "swap", help: "" },
  cpus: { kind: "cpus", help: "" },
  name: { kind: "string", help: "" },
  publish: { kind: "list", short: "p", help: "" },
  rm: { kind: "bool", help: "" },
  tty: { kind: "bool", short: "t", help: "" },
  wait: { kind: "duration", help: "" },
  weight: { kind: "uint16", help: "" },
  filter: { kind: "list", short: "f", type: "filter", help: "" },
  proxy: { kind: "bool", help: "", fallback: true },
} as const satisfies FlagTable;

const parse = (argv: string[], interspersed = true) => parseFlags(TABLE, argv, { interspersed });

test("flags without use hold their fallbacks", () => {
  const { flags, given, args } = parse([]);
  expect(flags).toMatchObject({ detach: false, env: [], last: -1, name: "", memory: 0, proxy: true });
  expect(given.size).toBe(0);
  expect(args).toEqual([]);
});

test("values come after a space, after = and right behind the letter", () => {
  expect(parse(["--name", "a"]).flags.name).toBe("a");
  expect(parse(["--name=a=b"]).flags.name).toBe("a=b");
  expect(parse(["--name="]).flags.name).toBe("");
  expect(parse(["-p80:80", "-p", "81", "-p=82"]).flags.publish).toEqual(["80:80", "81", "82"]);
  expect(parse(["-e", "-x"]).flags.env).toEqual(["-x"]);
});

test("letters may be joined, the last one with its value", () => {
  const { flags } = parse(["-dite", "A=1"]);
  expect(flags).toMatchObject({ detach: true, interactive: true, tty: true, env: ["A=1"] });
  expect(parse(["-itp80:80"]).flags.publish).toEqual(["80:80"]);
});

test("booleans take =value, but no value behind a space", () => {
  expect(parse(["--rm=false"]).flags.rm).toBe(false);
  expect(parse(["--proxy=0"]).flags.proxy).toBe(false);
  expect(parse(["-t=false", "-i=T"]).flags).toMatchObject({ tty: false, interactive: true });
  expect(parse(["--rm", "false"])).toMatchObject({ flags: { rm: true }, args: ["false"] });
  expect(parse(["--rm=false"]).given.has("rm")).toBe(true);
});

test("the first argument ends the flags of run, so that the rest is the command's", () => {
  const { flags, args } = parse(["-it", "busybox", "sh", "-c", "--name"], false);
  expect(flags).toMatchObject({ interactive: true, name: "" });
  expect(args).toEqual(["busybox", "sh", "-c", "--name"]);
});

test("other commands take flags anywhere, and -- ends them", () => {
  expect(parse(["a", "-d", "b"])).toMatchObject({ flags: { detach: true }, args: ["a", "b"] });
  expect(parse(["a", "--", "-d", "-"])).toMatchObject({ flags: { detach: false }, args: ["a", "-d", "-"] });
  expect(parse(["-"]).args).toEqual(["-"]);
});

test("--help is seen, and -h where no flag has that letter", () => {
  expect(parse(["--help"]).help).toBe("long");
  expect(parse(["--help=false"]).help).toBe(false);
  expect(parse(["-h"]).help).toBe("short");
  expect(() => parse(["--help", "--no-such-flag"])).toThrow("unknown flag: --no-such-flag");
  expect(() => parse(["-hx"])).toThrow("unknown shorthand flag: 'x' in -x");
  expect(parse(["x", "--help"], false).help).toBe(false);
});

test("sizes, CPUs, durations and numbers are converted", () => {
  const { flags } = parse(["-m", "512m", "--cpus", "1.5", "--wait", "1m30s", "--weight", "10", "-n", "0x10"]);
  expect(flags).toMatchObject({ memory: 536870912, cpus: 1.5e9, wait: 90e9, weight: 10, last: 16 });
  expect(parse(["--swap", "-1"]).flags.swap).toBe(-1);
});

const REFUSED: [string[], string][] = [
  [["--foo"], "unknown flag: --foo"],
  [["--foo=1"], "unknown flag: --foo"],
  [["--__proto__"], "unknown flag: --__proto__"],
  [["--constructor"], "unknown flag: --constructor"],
  [["-X"], "unknown shorthand flag: 'X' in -X"],
  [["-dX"], "unknown shorthand flag: 'X' in -X"],
  [["--name"], "flag needs an argument: --name"],
  [["-p"], "flag needs an argument: 'p' in -p"],
  [["-itp"], "flag needs an argument: 'p' in -p"],
  [["---x"], "bad flag syntax: ---x"],
  [["--rm=maybe"], `invalid argument "maybe" for "--rm" flag: strconv.ParseBool: parsing "maybe": invalid syntax`],
  [["-it=x"], `invalid argument "x" for "-t, --tty" flag: strconv.ParseBool: parsing "x": invalid syntax`],
  [["-n", "abc"], `invalid argument "abc" for "-n, --last" flag: strconv.ParseInt: parsing "abc": invalid syntax`],
  [
    ["--weight", "70000"],
    `invalid argument "70000" for "--weight" flag: strconv.ParseUint: parsing "70000": value out of range`,
  ],
  [["-m", "1x"], `invalid argument "1x" for "-m, --memory" flag: invalid suffix: 'x'`],
  [["-m", "-1"], `invalid argument "-1" for "-m, --memory" flag: invalid size: '-1'`],
  [["--swap", "-2"], `invalid argument "-2" for "--swap" flag: invalid size: '-2'`],
  [["--cpus", "1e9999"], `invalid argument "1e9999" for "--cpus" flag: failed to parse 1e9999 as a rational number`],
  [["--help=x"], `invalid argument "x" for "--help" flag: strconv.ParseBool: parsing "x": invalid syntax`],
  [["--cpus", "1/3"], `invalid argument "1/3" for "--cpus" flag: value is too precise`],
  [["-f", "x"], `invalid argument "x" for "-f, --filter" flag: bad format of filter (expected name=value)`],
];

test.each(REFUSED)("%p is refused in pflag's words", (argv, message) => {
  expect(() => parse(argv)).toThrow(new Error(message));
});
