import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../spec/errors.ts";
import { RUN_FLAGS } from "../commands/run.ts";
import { parseFlags } from "../flags.ts";
import { createBody } from "./body.ts";

interface Recorded {
  args: string[];
  /** What these flags change in the body of a plain `docker create busybox`; null: left out. */
  adds?: Record<string, unknown> & { HostConfig?: Record<string, unknown> };
  error?: string;
}

/** Recorded from docker 28's `docker create ARGS busybox`, a line each: the body that it sent, or the first line of its error. */
const RECORDED: Recorded[] = readFileSync(join(import.meta.dir, "testdata/create.jsonl"), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line));

/** Files that the recorded command lines name. */
const FILES: Record<string, string | Buffer> = {
  env: "# c\n\nA=1\n  B=two words \nNOT_SET_HERE\nHOME\nC==\n  # d\nE=#x\n",
  "bad-name": "A=1\n=x\n",
  "bad-space": "A B=1\n",
  bom: "\uFEFFA=1\n",
  utf8bad: Buffer.from([65, 61, 255, 10]),
  empty: "",
  crlf: "A=1\r\nB=2\r\n",
  "profile.json": '{"defaultAction": "SCMP_ACT_ALLOW", "a": "<>"}\n',
  "bad.json": "{bad\n",
};

const PLAIN = {
  AttachStdout: true,
  AttachStderr: true,
  Image: "busybox",
  HostConfig: { NetworkMode: "default", RestartPolicy: { Name: "no" }, MemorySwappiness: -1 },
};

const before = process.cwd();
const folder = realpathSync(mkdtempSync(join(tmpdir(), "berth-options-")));
beforeAll(() => {
  mkdirSync(join(folder, "dir"));
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);
  process.chdir(folder);
});
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
});

/** Maps and lists where empty is not the same as absent. */
const OPEN = new Set(
  "ExposedPorts Volumes Tmpfs Labels PortBindings Options Config MaskedPaths ReadonlyPaths Init Entrypoint".split(" "),
);
const TELLING = new Set(["MaskedPaths", "ReadonlyPaths", "Init"]);

/** The value without nulls, zeros and what is empty: docker spells every one of them out. */
function essence(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(essence);
  if (typeof value !== "object" || value === null) return value;
  const kept: [string, unknown][] = [];
  for (const [key, inner] of Object.entries(value)) {
    const v = OPEN.has(key) ? inner : essence(inner);
    const empty = !v || (typeof v === "object" && Object.keys(v).length === 0);
    if (!empty || (TELLING.has(key) && v !== null && v !== undefined)) kept.push([key, v]);
  }
  return Object.fromEntries(kept);
}

/** What Berth sends for the flags, or its error. */
function outcome(flagArgs: string[]): { body: unknown } | { error: string } {
  try {
    const { flags, given, args } = parseFlags(RUN_FLAGS, [...flagArgs, "busybox"], { interspersed: false });
    const env = { PATH: "/bin", HOME: "/home/me" };
    const text = JSON.stringify(createBody({ flags, given, args, env, detach: flags.detach }));
    return { body: essence(JSON.parse(text.replaceAll(folder, "@cwd"))) };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

describe("create sends what docker sends, and refuses in its words", () => {
  test.each(RECORDED.map((line): [string, Recorded] => [line.args.join(" "), line]))("%s", (_, line) => {
    const adds = line.adds ?? {};
    const whole = { ...PLAIN, ...adds, HostConfig: { ...PLAIN.HostConfig, ...adds.HostConfig } };
    expect(outcome(line.args)).toEqual(line.error === undefined ? { body: essence(whole) } : { error: line.error });
  });
});

/** Where Berth differs from docker on purpose: mostly what docker's client lets pass and its daemon refuses then. */
const ON_PURPOSE: [string[], object | string][] = [
  // Docker takes one letter and a colon for a drive of Windows, and makes an anonymous volume of the whole.
  [["-v", "v:/x"], { HostConfig: { ...PLAIN.HostConfig, Binds: ["v:/x"] } }],
  [["-v", ":"], "invalid spec: :: empty section between colons"],
  [["-v", "a:b:c:d"], "invalid spec: a:b:c:d: too many colons"],
  [["-p", "1-2-3"], "invalid containerPort: 1-2-3"],
  [["--expose", "80/foo"], "invalid proto: foo"],
  [
    ["--mount", "type=bind,src=/a,dst=/b,bind-propagation=weird"],
    `invalid argument "type=bind,src=/a,dst=/b,bind-propagation=weird" for "--mount" flag: invalid propagation: weird`,
  ],
  [["--cap-add", " a "], { HostConfig: { ...PLAIN.HostConfig, CapAdd: ["CAP_A"] } }],
  [["--cpus", "0x10"], `invalid argument "0x10" for "--cpus" flag: failed to parse 0x10 as a rational number`],
];

test.each(ON_PURPOSE)("%p is read in Berth's own way", (args, want) => {
  expect(outcome(args)).toEqual(typeof want === "string" ? { error: want } : { body: { ...PLAIN, ...want } });
});

test("a seccomp profile that is no JSON is named", () => {
  expect(outcome(["--security-opt", "seccomp=bad.json"])).toEqual({
    error: expect.stringMatching(/^compacting json for seccomp profile \(bad\.json\) failed: ./),
  });
});

test("a MAC address is sent in one spelling", () => {
  expect(outcome(["--mac-address", "02-42-AC-11-00-02"])).toMatchObject({
    body: { NetworkingConfig: { EndpointsConfig: { default: { MacAddress: "02:42:ac:11:00:02" } } } },
  });
});
