import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { deviceNumbers } from "../../runtime/devices.ts";
import type { HostConfig } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { parseSize } from "../../spec/size.ts";

/** Security options that stand without a value, and those that take one. What has no meaning on this host is taken without effect, as Docker does. */
const BARE_OPTIONS = new Set(["no-new-privileges", "disable"]);
const BOOLEAN_OPTIONS = new Set(["no-new-privileges", "writable-cgroups"]);
const VALUED_OPTIONS = new Set(["label", "apparmor", "seccomp"]);
const BOOLEAN = /^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/;

const bad = (message: string): BerthError => new BerthError("invalid-argument", message);

/** What a container may do and reach beside its namespaces: security options, devices, names, storage. Throws in Docker's words. */
export function checkIsolation(host: HostConfig): void {
  if (host.Isolation && host.Isolation !== "default")
    throw bad(`invalid isolation (${host.Isolation}): linux only supports 'default'`);
  for (const option of host.SecurityOpt ?? []) checkSecurityOption(option);
  checkDevices(host);
  checkNames(host);
  const strange = Object.keys(host.StorageOpt ?? {}).find((key) => key !== "size");
  if (strange !== undefined) throw bad(`Unknown option ${strange}`);
  const size = host.StorageOpt?.["size"];
  if (size !== undefined && parseSize(size) <= 0) throw bad(`invalid size: '${size}'`);
}

function checkSecurityOption(option: string): void {
  const at = option.search(/[=:]/);
  const key = at < 0 ? option : option.slice(0, at);
  if (at < 0) {
    if (!BARE_OPTIONS.has(key)) throw bad(`invalid --security-opt 1: "${option.slice(0, 80)}"`);
    return;
  }
  const fits = BOOLEAN_OPTIONS.has(key) ? BOOLEAN.test(option.slice(at + 1)) : VALUED_OPTIONS.has(key);
  if (!fits) throw bad(`invalid --security-opt 2: "${option.slice(0, 80)}"`);
}

function checkDevices(host: HostConfig): void {
  const limited = [
    ...(host.BlkioWeightDevice ?? []),
    ...(host.BlkioDeviceReadBps ?? []),
    ...(host.BlkioDeviceWriteBps ?? []),
    ...(host.BlkioDeviceReadIOps ?? []),
    ...(host.BlkioDeviceWriteIOps ?? []),
  ];
  for (const { Path: path = "" } of limited)
    if (!deviceNumbers(path)) throw bad(`stat ${path}: no such file or directory`);
}

function checkNames(host: HostConfig): void {
  for (const entry of host.ExtraHosts ?? []) {
    const at = entry.search(/[:=]/);
    const address = entry.slice(at + 1).replace(/^\[(.*)\]$/, "$1");
    if (at < 1) throw bad(`bad format for add-host: "${entry}"`);
    if (address !== "host-gateway" && isIP(address) === 0) throw bad(`invalid IP address in add-host: "${address}"`);
  }
  for (const server of host.Dns ?? []) if (isIP(server) === 0) throw bad(`bad nameserver address ${server}`);
}

/** CpusetCpus and CpusetMems (cpuset(7), "List format") against what this host has online. */
export function checkCpusets(host: HostConfig): void {
  const sets = [
    { value: host.CpusetCpus, name: "cpus", words: "CPUs", file: "/sys/devices/system/cpu/online" },
    { value: host.CpusetMems, name: "mems", words: "memory nodes", file: "/sys/devices/system/node/online" },
  ];
  for (const { value = "", name, words, file } of sets) {
    if (value === "") continue;
    const wanted = rangesOf(value);
    if (!wanted) throw bad(`Invalid value ${value} for cpuset ${name}: invalid format: ${value}`);
    const online = onlineOf(file);
    const there = rangesOf(online) ?? [];
    const covered = wanted.every(([from, to]) => there.some(([first, last]) => first <= from && to <= last));
    if (!covered) throw bad(`Requested ${words} are not available - requested ${value}, available: ${online}`);
  }
}

function rangesOf(text: string): [number, number][] | undefined {
  const ranges = text.split(",").map((part): [number, number] => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    const from = Number(match?.[1] ?? Number.NaN);
    return [from, Number(match?.[2] ?? from)];
  });
  return ranges.every(([from, to]) => from <= to) ? ranges : undefined;
}

/** Kernels without NUMA have no node folder: all memory is node 0. */
function onlineOf(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "0";
  }
}
