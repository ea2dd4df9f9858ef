import { lstatSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { majorOf, minorOf, S_IF } from "../host/sys.ts";
import type { DeviceMapping, HostConfig } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import type { Device, LinuxResources } from "../spec/runtime-spec.ts";

type Rule = NonNullable<LinuxResources["devices"]>[number];

/** Devices of a container: the nodes to make and the cgroup rules that allow them. The runtime adds the standard ones (config-linux.md, "default devices"). */
export interface DeviceSetup {
  devices: Device[];
  rules: Rule[];
}

/** Below /dev: made anew for each container, never taken from the host. */
const OWN_FOLDERS = new Set(["pts", "shm", "mqueue", "console", "fd", "stdin", "stdout", "stderr", "core", "ptmx"]);
const STANDARD: Rule[] = [
  { allow: false, access: "rwm" },
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "b", access: "m" },
  ...[
    [1, 3],
    [1, 5],
    [1, 7],
    [1, 8],
    [1, 9],
    [5, 0],
    [5, 1],
    [5, 2],
  ].map(([major = 0, minor = 0]): Rule => ({ allow: true, type: "c", major, minor, access: "rwm" })),
  { allow: true, type: "c", major: 136, access: "rwm" },
];

/** What HostConfig's Devices, DeviceCgroupRules and Privileged ask for. Throws `invalid-argument` where a named device is missing. */
export function deviceSetup(host: HostConfig): DeviceSetup {
  if (host.Privileged) return { devices: hostDevices("/dev"), rules: [{ allow: true, access: "rwm" }] };
  const mapped = (host.Devices ?? []).flatMap(mapDevice);
  return {
    devices: mapped.map((m) => m.device),
    rules: [
      ...STANDARD,
      ...mapped.map((m) => m.rule).filter((rule) => rule.access !== ""),
      ...(host.DeviceCgroupRules ?? []).map(cgroupRule),
    ],
  };
}

/** Major and minor of a device node, following links; undefined where it is not one. */
export function deviceNumbers(path: string): { major: number; minor: number } | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && isDevice(stat.mode) ? numbersOf(stat.rdev) : undefined;
}

function mapDevice(mapping: DeviceMapping): { device: Device; rule: Rule }[] {
  const source = mapping.PathOnHost ?? "";
  const target = mapping.PathInContainer || source;
  // As runc has it: letters without a meaning ask for nothing.
  const access = [...(mapping.CgroupPermissions || "rwm")].filter((letter) => "rwm".includes(letter)).join("");
  const stat = statSync(source, { throwIfNoEntry: false });
  if (!stat) {
    throw new BerthError(
      "invalid-argument",
      `error gathering device information while adding custom device "${source}": no such file or directory`,
    );
  }
  const found = stat.isDirectory()
    ? hostDevices(source).map((d) => ({ ...d, path: join(target, d.path.slice(source.length)) }))
    : [toDevice(target, stat)];
  if (found.length === 0 || (!stat.isDirectory() && !isDevice(stat.mode))) {
    throw new BerthError(
      "invalid-argument",
      `error gathering device information while adding custom device "${source}": not a device node`,
    );
  }
  return found.map((device) => ({
    device,
    rule: { allow: true, type: device.type, major: device.major, minor: device.minor, access },
  }));
}

function hostDevices(folder: string): Device[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (folder === "/dev" && OWN_FOLDERS.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return hostDevices(path);
    if (!entry.isCharacterDevice() && !entry.isBlockDevice()) return [];
    const stat = lstatSync(path, { throwIfNoEntry: false });
    return stat ? [toDevice(path, stat)] : [];
  });
}

function toDevice(path: string, stat: { mode: number; rdev: number; uid: number; gid: number }): Device {
  const type = (stat.mode & S_IF.MT) === S_IF.BLK ? "b" : "c";
  return { type, path, ...numbersOf(stat.rdev), fileMode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid };
}

function isDevice(mode: number): boolean {
  return (mode & S_IF.MT) === S_IF.CHR || (mode & S_IF.MT) === S_IF.BLK;
}

function numbersOf(rdev: number): { major: number; minor: number } {
  return { major: majorOf(rdev), minor: minorOf(rdev) };
}

/** `c 1:3 rwm`, with `*` for any number (cgroup-v1/devices). */
function cgroupRule(text: string): Rule {
  const match = /^([acb]) (\*|\d+):(\*|\d+) ([rwm]{1,3})$/.exec(text);
  if (!match) {
    throw new BerthError("invalid-argument", `invalid device cgroup rule format: '${text.slice(0, 80)}'`, {
      hint: "want for example 'c 1:3 rwm'",
    });
  }
  const [, type = "a", major = "*", minor = "*", access = "rwm"] = match;
  return {
    allow: true,
    ...(type === "a" ? {} : { type }),
    ...(major === "*" ? {} : { major: Number(major) }),
    ...(minor === "*" ? {} : { minor: Number(minor) }),
    access,
  };
}
