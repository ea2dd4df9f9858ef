import { isIP } from "node:net";
import type { DeviceMapping, HostConfig, RestartPolicy } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import type { FlagValues } from "../flags.ts";
import { parseSize } from "../format/units.ts";
import type { RESOURCE_FLAGS } from "./resource-flags.ts";

const invalid = (message: string): BerthError => new BerthError("invalid-argument", message);
const inFlag = (text: string, flag: string, why: string): BerthError =>
  invalid(`invalid argument ${JSON.stringify(text)} for "${flag}" flag: ${why}`);

const MAX_SWAPPINESS = 100;

/** The limits among a container's flags, as HostConfig has them. */
export function resourceOptions(flags: FlagValues<typeof RESOURCE_FLAGS>): HostConfig {
  const swappiness = flags["memory-swappiness"];
  if (swappiness !== -1 && (swappiness < 0 || swappiness > MAX_SWAPPINESS)) {
    throw invalid(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  }
  return {
    BlkioWeight: flags["blkio-weight"],
    BlkioWeightDevice: flags["blkio-weight-device"].map((t) => {
      const { Path, text } = devicePair(t);
      return { Path, Weight: Number(text) };
    }),
    BlkioDeviceReadBps: flags["device-read-bps"].map(bytesRate),
    BlkioDeviceWriteBps: flags["device-write-bps"].map(bytesRate),
    BlkioDeviceReadIOps: flags["device-read-iops"].map(countRate),
    BlkioDeviceWriteIOps: flags["device-write-iops"].map(countRate),
    CpuPeriod: flags["cpu-period"],
    CpuQuota: flags["cpu-quota"],
    CpuRealtimePeriod: flags["cpu-rt-period"],
    CpuRealtimeRuntime: flags["cpu-rt-runtime"],
    CpuShares: flags["cpu-shares"],
    NanoCpus: flags.cpus,
    CpusetCpus: flags["cpuset-cpus"],
    CpusetMems: flags["cpuset-mems"],
    Memory: flags.memory,
    MemoryReservation: flags["memory-reservation"],
    MemorySwap: flags["memory-swap"],
    MemorySwappiness: swappiness,
    OomKillDisable: flags["oom-kill-disable"],
    OomScoreAdj: flags["oom-score-adj"],
    PidsLimit: flags["pids-limit"],
    ShmSize: flags["shm-size"],
    Ulimits: flags.ulimit.map(ulimit).sort((a, b) => (a.Name < b.Name ? -1 : 1)),
  };
}

function devicePair(text: string): { Path: string; text: string } {
  const [path = "", value = ""] = text.split(":", 2);
  if (!path.startsWith("/dev/") || value === "") throw invalid(`bad format for device path: ${text}`);
  return { Path: path, text: value };
}

function bytesRate(text: string): { Path: string; Rate: number } {
  const pair = devicePair(text);
  return { Path: pair.Path, Rate: parseSize(pair.text) };
}

function countRate(text: string): { Path: string; Rate: number } {
  const pair = devicePair(text);
  if (!/^\d+$/.test(pair.text)) throw invalid(`invalid rate for device: ${text}`);
  return { Path: pair.Path, Rate: Number(pair.text) };
}

const ULIMITS = new Set(
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" "),
);

/** `--ulimit name=soft[:hard]`. */
export function ulimit(text: string): { Name: string; Soft: number; Hard: number } {
  const [name = "", value] = text.split("=", 2);
  const bad = (why: string): BerthError => inFlag(text, "--ulimit", why);
  if (value === undefined) throw bad(`invalid ulimit argument: ${text}`);
  if (!ULIMITS.has(name)) throw bad(`invalid ulimit type: ${name}`);
  const [soft = "", hard = soft] = value.split(":");
  for (const n of [soft, hard]) {
    if (!/^-?\d+$/.test(n)) throw bad(`strconv.ParseInt: parsing ${JSON.stringify(n)}: invalid syntax`);
  }
  if (Number(hard) !== -1 && (Number(soft) === -1 || Number(soft) > Number(hard))) {
    throw bad(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
  return { Name: name, Soft: Number(soft), Hard: Number(hard) };
}

/** `--device host[:container][:rwm]`. */
export function device(text: string): DeviceMapping {
  const parts = text.split(":");
  const [host = "", second, third] = parts;
  const isMode = (t: string | undefined): boolean =>
    t !== undefined && /^[rwm]{1,3}$/.test(t) && new Set(t).size === t.length;
  if (parts.length > 3 || host === "") throw invalid(`invalid device specification: ${text}`);
  if (parts.length === 3 && !isMode(third)) throw invalid(`bad mode specified: ${third}`);
  const inside = second === undefined || isMode(second) ? host : second;
  const mode = third ?? (isMode(second) ? second : undefined);
  return { PathOnHost: host, PathInContainer: inside || host, CgroupPermissions: mode ?? "rwm" };
}

/** The engine knows which names there are, and says so. */
type Policy = NonNullable<RestartPolicy["Name"]>;

/** `--restart name[:count]`. */
export function restartPolicy(text: string): RestartPolicy {
  const [name = "", count, extra] = text.split(":");
  if (extra !== undefined) throw invalid("invalid restart policy format: maximum retry count must be an integer");
  if (text !== "" && name === "") throw invalid("invalid restart policy format: no policy provided before colon");
  if (count !== undefined && !/^-?\d+$/.test(count)) {
    throw invalid("invalid restart policy format: maximum retry count must be an integer");
  }
  return { Name: name as Policy, MaximumRetryCount: Number(count ?? 0) };
}

/** `--add-host name:ip` or `name=ip`, as the API's `name:ip`. */
export function extraHost(text: string): string {
  const [, name, ip = ""] = /^([^=:]+)[=:](.*)$/.exec(text) ?? [];
  const bare = ip.replace(/^\[(.*)\]$/, "$1");
  if (!name) throw inFlag(text, "--add-host", `bad format for add-host: ${JSON.stringify(text)}`);
  if (bare !== "host-gateway" && isIP(bare) === 0) {
    throw inFlag(text, "--add-host", `invalid IP address in add-host: ${JSON.stringify(ip)}`);
  }
  return `${name}:${bare}`;
}

/** `--dns`. */
export function dnsServer(text: string): string {
  if (isIP(text.trim()) === 0) throw inFlag(text, "--dns", `IP address is not correctly formatted: ${text}`);
  return text.trim();
}

const SYSCTLS = new Set(
  "msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced".split(" ").map((name) => `kernel.${name}`),
);

/** `--sysctl name=value`: only those that belong to a container's own namespaces. */
export function sysctl(text: string): string {
  const [name = ""] = text.split("=", 1);
  if (/^(net\.|fs\.mqueue\.)/.test(name) || SYSCTLS.has(name)) return text;
  throw inFlag(text, "--sysctl", `sysctl '${text}' is not allowed`);
}
