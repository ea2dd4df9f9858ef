import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DeviceRequest } from "../spec/engine-api.ts";
import { cdiEdits } from "./cdi.ts";

const root = mkdtempSync(join(tmpdir(), "berth-cdi-"));
const dirs = [join(root, "etc"), join(root, "run"), join(root, "absent")];
const gpu = (request: DeviceRequest): DeviceRequest => ({ Capabilities: [["gpu"]], ...request });
const edits = (...requests: DeviceRequest[]) => cdiEdits(requests, dirs);

beforeAll(() => {
  for (const dir of dirs.slice(0, 2)) mkdirSync(dir);
  writeFileSync(
    join(root, "etc/vendor.yaml"),
    `cdiVersion: "0.6.0"
kind: vendor.com/class
devices:
  - name: one
    containerEdits:
      env: [DEVICE=one]
      deviceNodes:
        - path: /dev/inside
          hostPath: /dev/zero
          permissions: r
  - name: "two"
    containerEdits:
      deviceNodes:
        - { path: /dev/two, type: b, major: 7, minor: 3, fileMode: 432, uid: 5, gid: 6 }
      mounts:
        - { hostPath: /etc/hostname, containerPath: /host-name }
      additionalGids: [0, 44]
  - name: odd
    containerEdits:
      deviceNodes: [{ path: /dev/none-such }]
containerEdits:
  env: [ALL=1]
  hooks:
    - { hookName: createContainer, path: /bin/true, args: [true, x], timeout: 3 }
`,
  );
  const gpus = ["0", "1", "all"].map((name) => ({ name, containerEdits: { env: [`GPU=${name}`] } }));
  writeFileSync(
    join(root, "etc/gpu.json"),
    JSON.stringify({ cdiVersion: "0.3.0", kind: "nvidia.com/gpu", devices: gpus }),
  );
  writeFileSync(
    join(root, "run/over.json"),
    JSON.stringify({ kind: "over.com/x", devices: [{ name: "d", containerEdits: { env: ["FROM=run"] } }] }),
  );
  writeFileSync(
    join(root, "etc/over.json"),
    JSON.stringify({ kind: "over.com/x", devices: [{ name: "d", containerEdits: { env: ["FROM=etc"] } }] }),
  );
  writeFileSync(join(root, "etc/broken.json"), "{");
  writeFileSync(join(root, "etc/no-spec.yaml"), "- 1\n");
  writeFileSync(join(root, "etc/readme.txt"), "kind: no.such/file");
});
afterAll(() => rmSync(root, { recursive: true }));

test("a device by name: its own edits, and once what is common to its file", () => {
  const found = edits({ Driver: "cdi", DeviceIDs: ["vendor.com/class=one", "vendor.com/class=two"] });
  expect(found).toMatchObject({
    env: ["ALL=1", "DEVICE=one"],
    mounts: [
      { destination: "/host-name", source: "/etc/hostname", type: "bind", options: ["ro", "nosuid", "nodev", "bind"] },
    ],
    hooks: { createContainer: [{ path: "/bin/true", args: [true, "x"], timeout: 3 }] },
    gids: [44],
    rules: [
      { allow: true, type: "c", major: 1, minor: 5, access: "r" },
      { allow: true, type: "b", major: 7, minor: 3, access: "rwm" },
    ],
  });
  expect(found.devices).toMatchObject([
    { path: "/dev/inside", type: "c", major: 1, minor: 5 },
    { path: "/dev/two", type: "b", major: 7, minor: 3, fileMode: 0o660, uid: 5, gid: 6 },
  ]);
});

test("nothing asked for, nothing added", () => {
  const nothing = { env: [], devices: [], rules: [], mounts: [], hooks: {}, gids: [] };
  expect(edits()).toEqual(nothing);
  expect(edits({ Driver: "cdi" })).toEqual(nothing);
});

test("of two folders the later one's device counts", () => {
  expect(edits({ Driver: "cdi", DeviceIDs: ["over.com/x=d"] }).env).toEqual(["FROM=run"]);
});

describe("GPUs", () => {
  test.each<[string, DeviceRequest, string[]]>([
    ["all", { Count: -1 }, ["GPU=all"]],
    ["one", { Count: 1 }, ["GPU=0"]],
    ["both", { Count: 2 }, ["GPU=0", "GPU=1"]],
    ["by id", { DeviceIDs: ["1"] }, ["GPU=1"]],
    ["by driver", { Driver: "nvidia", Count: 1 }, ["GPU=0"]],
  ])("%s", (_, request, env) => {
    expect(edits(gpu(request)).env).toEqual(env);
  });
});

test.each<[DeviceRequest, string]>([
  [gpu({ Count: 3 }), 'could not select device driver "" with capabilities: [[gpu]]'],
  [gpu({ Driver: "amd", Count: 1 }), 'could not select device driver "amd" with capabilities: [[gpu]]'],
  [{}, 'could not select device driver "" with capabilities: []'],
  [{ Capabilities: [["tpu", "x"], ["y"]] }, 'could not select device driver "" with capabilities: [[tpu x] [y]]'],
  [{ Driver: "cdi", DeviceIDs: ["a.b/c=d", "x"] }, "CDI device injection failed: unresolvable CDI devices a.b/c=d, x"],
  [{ Driver: "cdi", Options: { a: "b" } }, "unexpected options in CDI device request"],
  [{ Driver: "cdi", Count: 2 }, "unexpected count in CDI device request"],
  [{ Driver: "cdi", DeviceIDs: ["no.such/file=x"] }, "unresolvable CDI devices no.such/file=x"],
  [{ Driver: "cdi", DeviceIDs: ["vendor.com/class=odd"] }, 'failed to stat CDI host device "/dev/none-such"'],
])("%j is refused", (request, words) => {
  expect(() => edits(request)).toThrow(words);
});

test("without a specification there is no driver", () => {
  expect(() => cdiEdits([gpu({ Count: -1 })], [])).toThrow(
    'could not select device driver "" with capabilities: [[gpu]]',
  );
});
