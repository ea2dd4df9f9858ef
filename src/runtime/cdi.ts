import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { majorOf, minorOf, S_IF } from "../host/sys.ts";
import { parseYaml } from "../host/yaml.ts";
import type { DeviceRequest } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import type { Device, Hooks, LinuxResources, Mount } from "../spec/runtime-spec.ts";

/** Where specifications of devices are, the last folder going first (CDI, SPEC.md, "CDI JSON Specification"). */
export const CDI_DIRS: readonly string[] = ["/etc/cdi", "/var/run/cdi"];

/** What devices add to a container. */
export interface CdiEdits {
  env: string[];
  devices: Device[];
  rules: NonNullable<LinuxResources["devices"]>;
  mounts: Mount[];
  hooks: Hooks;
  gids: number[];
}

/** `containerEdits` of the specification, the parts that are applied. */
interface ContainerEdits {
  env?: string[];
  deviceNodes?: DeviceNode[];
  mounts?: { hostPath: string; containerPath: string; options?: string[]; type?: string }[];
  hooks?: { hookName: keyof Hooks; path: string; args?: string[]; env?: string[]; timeout?: number }[];
  additionalGids?: number[];
}

interface DeviceNode {
  path: string;
  hostPath?: string;
  type?: string;
  major?: number;
  minor?: number;
  fileMode?: number;
  permissions?: string;
  uid?: number;
  gid?: number;
}

/** A device with what its file says for all its devices. */
interface Found {
  edits: ContainerEdits;
  common: ContainerEdits;
}

const bad = (message: string): BerthError => new BerthError("invalid-argument", message);

/**
 * What HostConfig.DeviceRequests add: CDI devices by name, and GPUs through the CDI devices of class `gpu`. Throws `invalid-argument` in Docker's
 * words where none fits. Files that are no specification are passed over, as they are not this container's.
 */
export function cdiEdits(requests: readonly DeviceRequest[], dirs: readonly string[]): CdiEdits {
  const edits: CdiEdits = { env: [], devices: [], rules: [], mounts: [], hooks: {}, gids: [] };
  if (requests.length === 0) return edits;
  const known = readDevices(dirs);
  const names = [...new Set(requests.flatMap((request) => namesOf(request, known)))];
  const missing = names.filter((name) => !known.has(name));
  if (missing.length > 0) throw bad(`CDI device injection failed: unresolvable CDI devices ${missing.join(", ")}`);
  const found = names.flatMap((name) => known.get(name) ?? []);
  for (const common of new Set(found.map((f) => f.common))) apply(edits, common);
  for (const { edits: own } of found) apply(edits, own);
  return edits;
}

function namesOf(request: DeviceRequest, known: ReadonlyMap<string, Found>): string[] {
  const { Driver: driver = "", Count: count = 0, DeviceIDs: ids, Capabilities: capabilities } = request;
  if (driver === "cdi") {
    if (Object.keys(request.Options ?? {}).length > 0) throw bad("unexpected options in CDI device request");
    if (count !== 0) throw bad("unexpected count in CDI device request");
    return ids ?? [];
  }
  const all = (capabilities ?? []).map((set) => `[${set.join(" ")}]`).join(" ");
  const none = bad(`could not select device driver "${driver}" with capabilities: [${all}]`);
  if (!capabilities?.some((set) => set.includes("gpu"))) throw none;
  const kind = driver === "" ? [...known.keys()].map(kindOf).find((k) => k.endsWith("/gpu")) : `${driver}.com/gpu`;
  const devices = [...known.keys()].filter((name) => kindOf(name) === kind);
  if (devices.length === 0) throw none;
  if (ids?.length) return ids.map((id) => `${kind}=${id}`);
  // Specifications name one device beside the others that is all of them.
  const whole = `${kind}=all`;
  const single = devices.filter((name) => name !== whole);
  if (count < 0) return devices.includes(whole) ? [whole] : single;
  if (single.length < count) throw none;
  return single.slice(0, count);
}

const kindOf = (name: string): string => name.slice(0, name.indexOf("="));

/** All devices by `vendor/class=name`. Those of a later folder replace those of an earlier one. */
function readDevices(dirs: readonly string[]): Map<string, Found> {
  const known = new Map<string, Found>();
  for (const dir of dirs) {
    if (!existsSync(dir)) continue;
    for (const file of readdirSync(dir).sort()) {
      if (![".json", ".yaml", ".yml"].includes(extname(file))) continue;
      for (const [name, found] of devicesOf(join(dir, file))) known.set(name, found);
    }
  }
  return known;
}

function devicesOf(path: string): [string, Found][] {
  let spec: unknown;
  try {
    spec = parseYaml(readFileSync(path, "utf8"));
  } catch {
    return [];
  }
  if (typeof spec !== "object" || spec === null || !("kind" in spec) || !("devices" in spec)) return [];
  const {
    kind,
    devices,
    containerEdits: common = {},
  } = spec as {
    kind: unknown;
    devices: unknown;
    containerEdits?: ContainerEdits;
  };
  if (typeof kind !== "string" || !/^[\w.-]+\/[\w.-]+$/.test(kind) || !Array.isArray(devices)) return [];
  return (devices as { name?: unknown; containerEdits?: ContainerEdits }[])
    .filter((device) => typeof device.name === "string" || typeof device.name === "number")
    .map((device) => [`${kind}=${String(device.name)}`, { edits: device.containerEdits ?? {}, common }]);
}

function apply(to: CdiEdits, edits: ContainerEdits): void {
  to.env.push(...(edits.env ?? []));
  for (const node of edits.deviceNodes ?? []) {
    const device = deviceOf(node);
    to.devices.push(device);
    const { type, major, minor } = device;
    to.rules.push({ allow: true, type, major, minor, access: node.permissions || "rwm" });
  }
  for (const { hostPath, containerPath, options = ["ro", "nosuid", "nodev", "bind"], type = "bind" } of edits.mounts ??
    [])
    to.mounts.push({ destination: containerPath, source: hostPath, type, options });
  for (const { hookName, ...hook } of edits.hooks ?? []) (to.hooks[hookName] ??= []).push(hook);
  to.gids.push(...(edits.additionalGids ?? []).filter((gid) => gid > 0));
}

/** What the specification leaves open is as the host's node has it. */
function deviceOf(node: DeviceNode): Device {
  const source = node.hostPath || node.path;
  const stat = statSync(source, { throwIfNoEntry: false });
  const known = node.type !== undefined && node.major !== undefined && node.minor !== undefined;
  if (!stat && !known)
    throw bad(
      `CDI device injection failed: failed to stat CDI host device ${JSON.stringify(source)}: no such file or directory`,
    );
  const type = ((stat?.mode ?? 0) & S_IF.MT) === S_IF.BLK ? "b" : "c";
  return {
    path: node.path,
    type: node.type === "c" || node.type === "b" || node.type === "p" || node.type === "u" ? node.type : type,
    major: node.major ?? majorOf(stat?.rdev ?? 0),
    minor: node.minor ?? minorOf(stat?.rdev ?? 0),
    fileMode: node.fileMode ?? (stat?.mode ?? 0o666) & 0o7777,
    uid: node.uid ?? stat?.uid ?? 0,
    gid: node.gid ?? stat?.gid ?? 0,
  };
}
