import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { RUN_FLAGS } from "../commands/run.ts";
import { parseFlags } from "../flags.ts";
import { createBody } from "./body.ts";

const GOLDEN = join(import.meta.dir, "golden");
/** Maps whose members may be empty, and lists where empty is not the same as absent. */
const OPEN = new Set(
  "ExposedPorts Volumes Tmpfs Labels PortBindings Options Config MaskedPaths ReadonlyPaths Init Entrypoint".split(" "),
);
const TELLING = new Set(["MaskedPaths", "ReadonlyPaths", "Init"]);

/** Docker's CLI spells every zero value out; what it says besides them is what counts. */
function essence(value: unknown): unknown {
  // Docker's CLI keeps binds in a map, and sends them in any order.
  if (Array.isArray(value))
    return value.every((v) => typeof v === "string" && v.includes(":/")) ? value.toSorted() : value.map(essence);
  if (typeof value !== "object" || value === null) return value;
  const kept: [string, unknown][] = [];
  for (const [key, inner] of Object.entries(value)) {
    const v = OPEN.has(key) ? inner : essence(inner);
    const empty = !v || (typeof v === "object" && Object.keys(v).length === 0);
    if (!empty || (TELLING.has(key) && v !== null && v !== undefined)) kept.push([key, v]);
  }
  return Object.fromEntries(kept);
}

function bodyOf(args: string[]): unknown {
  const { flags, given, args: rest } = parseFlags(RUN_FLAGS, args, { interspersed: false });
  return essence(
    JSON.parse(JSON.stringify(createBody({ flags, given, args: rest, env: { HOME: "/root" }, detach: flags.detach }))),
  );
}

for (const file of readdirSync(GOLDEN)) {
  test(`run sends what Docker's CLI sends: ${file}`, () => {
    const { args, body } = JSON.parse(readFileSync(join(GOLDEN, file), "utf8"));
    delete body.HostConfig.ConsoleSize;
    delete body.NetworkingConfig?.EndpointsConfig?.default;
    expect(bodyOf(args)).toEqual(essence(body));
  });
}

const REFUSED: [string[], string][] = [
  [["-p", "abc"], "invalid containerPort: abc"],
  [["-p", "70000:80"], "invalid hostPort: 70000"],
  [["-p", "80:80:80:80"], "invalid IP address: 80:80"],
  [["-p", "80/foo"], "invalid proto: foo"],
  [["-v", ":/x"], "invalid spec: :/x: empty section between colons"],
  [["--mount", "dst"], `invalid argument "dst" for "--mount" flag: invalid field 'dst' must be a key=value pair`],
  [["--ulimit", "foo"], `invalid argument "foo" for "--ulimit" flag: invalid ulimit argument: foo`],
  [["--ulimit", "foo=1"], `invalid argument "foo=1" for "--ulimit" flag: invalid ulimit type: foo`],
  [["--device", "/dev/null:/x:q"], "bad mode specified: q"],
  [["--add-host", "foo"], `invalid argument "foo" for "--add-host" flag: bad format for add-host: "foo"`],
  [["--label-file", "/nonexistent/file"], "open /nonexistent/file: no such file or directory"],
  [["--env-file", "/nonexistent/file"], "open /nonexistent/file: no such file or directory"],
  [["-e", "=x"], `invalid argument "=x" for "-e, --env" flag: invalid environment variable: =x`],
  [["--no-healthcheck", "--health-cmd", "a"], "--no-healthcheck conflicts with --health-* options"],
  [
    ["--network", "a", "--network", "host"],
    "conflicting options: cannot attach both user-defined and non-user-defined network-modes",
  ],
  [["--mac-address", "zz"], "zz is not a valid mac address"],
  [["-a", "foo"], `invalid argument "foo" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR`],
  [["--rm", "--restart", "always"], "conflicting options: cannot specify both --restart and --rm"],
  [["--pull", "foo"], `invalid pull option: 'foo': must be one of "always", "missing" or "never"`],
  [["--storage-opt", "a"], "invalid storage option"],
  [["--dns", "1.2.3"], `invalid argument "1.2.3" for "--dns" flag: IP address is not correctly formatted: 1.2.3`],
  [["--security-opt", "foo"], `Invalid --security-opt: "foo"`],
  [["--pid", "foo"], "--pid: invalid PID mode"],
  [["--memory-swappiness", "101"], "invalid value: 101. Valid memory swappiness range is 0-100"],
  [["--health-retries", "-1", "--health-cmd", "a"], "--health-retries cannot be negative"],
  [["--memory-swap", "-2"], `invalid argument "-2" for "--memory-swap" flag: invalid size: '-2'`],
  [["--cpus", "a"], `invalid argument "a" for "--cpus" flag: failed to parse a as a rational number`],
];

test.each(REFUSED)("run refuses %p in Docker's words", (args, message) => {
  expect(() => bodyOf([...args, "busybox"])).toThrow(message);
});
