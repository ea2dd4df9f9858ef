import { isIP } from "node:net";
import type { DeviceMapping, HostConfig, RestartPolicy } from "../../spec/engine-api.ts";
import { BerthError, messageOf } from "../../spec/errors.ts";
import { parseReference } from "../../spec/reference.ts";
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
    BlkioWeightDevice: flags["blkio-weight-device"].map(weight),
    BlkioDeviceReadBps: flags["device-read-bps"].map((text) => bytesRate(text, "--device-read-bps")),
    BlkioDeviceWriteBps: flags["device-write-bps"].map((text) => bytesRate(text, "--device-write-bps")),
    BlkioDeviceReadIOps: flags["device-read-iops"].map((text) => countRate(text, "--device-read-iops")),
    BlkioDeviceWriteIOps: flags["device-write-iops"].map((text) => countRate(text, "--device-write-iops")),
    CpuPeriod: flags["cpu-period"],
    CpuQuota: flags["cpu-quota"],
    CpuRealtimePeriod: flags["cpu-rt-period"],
    CpuRealtimeRuntime: flags["cpu-rt-runtime"],
    CpuShares: flags["cpu-shares"],
    NanoCpus: flags.cpus,
    CpusetCpus: flags["cpuset-cpus"] || flags.cpuset,
    CpusetMems: flags["cpuset-mems"],
    Memory: flags.memory,
    MemoryReservation: flags["memory-reservation"],
    MemorySwap: flags["memory-swap"],
    MemorySwappiness: swappiness,
    OomKillDisable: flags["oom-kill-disable"],
    OomScoreAdj: flags["oom-score-adj"],
    PidsLimit: flags["pids-limit"],
    ShmSize: flags["shm-size"],
    Ulimits: ulimits(flags.ulimit),
  };
}

function devicePair(text: string, flag: string): { Path: string; value: string } {
  const colon = text.indexOf(":");
  if (colon <= 0) throw inFlag(text, flag, `bad format: ${text}`);
  if (!text.startsWith("/dev/")) throw inFlag(text, flag, `bad format for device path: ${text}`);
  return { Path: text.slice(0, colon), value: text.slice(colon + 1) };
}

const MIN_WEIGHT = 10;
const MAX_WEIGHT = 1000;

function weight(text: string): { Path: string; Weight: number } {
  const { Path, value } = devicePair(text, "--blkio-weight-device");
  const number = /^\d+$/.test(value) ? Number(value) : -1;
  if (number !== 0 && (number < MIN_WEIGHT || number > MAX_WEIGHT)) {
    throw inFlag(text, "--blkio-weight-device", `invalid weight for device: ${text}`);
  }
  return { Path, Weight: number };
}

const RATE_FORMAT = "The correct format is <device-path>:<number>";

function bytesRate(text: string, flag: string): { Path: string; Rate: number } {
  const { Path, value } = devicePair(text, flag);
  try {
    return { Path, Rate: parseSize(value) };
  } catch {
    // Docker's words tell the form, not what is wrong with the size.
    const form = `${RATE_FORMAT}[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb`;
    throw inFlag(text, flag, `invalid rate for device: ${text}. ${form}`);
  }
}

function countRate(text: string, flag: string): { Path: string; Rate: number } {
  const { Path, value } = devicePair(text, flag);
  if (!/^\d+$/.test(value)) {
    throw inFlag(text, flag, `invalid rate for device: ${text}. ${RATE_FORMAT}. Number must be a positive integer`);
  }
  return { Path, Rate: Number(value) };
}

const ULIMITS = new Set(
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" "),
);

/** By name; the last one of a name counts. */
function ulimits(texts: readonly string[]): ReturnType<typeof ulimit>[] {
  const byName = new Map(texts.map(ulimit).map((limit) => [limit.Name, limit]));
  return [...byName.values()].sort((a, b) => (a.Name < b.Name ? -1 : 1));
}

/** `--ulimit name=soft[:hard]`. */
export function ulimit(text: string): { Name: string; Soft: number; Hard: number } {
  const equals = text.indexOf("=");
  const bad = (why: string): BerthError => inFlag(text, "--ulimit", why);
  if (equals < 0) throw bad(`invalid ulimit argument: ${text}`);
  const [name, value] = [text.slice(0, equals), text.slice(equals + 1)];
  if (!ULIMITS.has(name)) throw bad(`invalid ulimit type: ${name}`);
  const [soft = "", hard = soft, more] = value.split(":");
  if (more !== undefined) {
    throw bad(`too many limit value arguments - ${value}, can only have up to two, \`soft[:hard]\``);
  }
  for (const n of [soft, hard]) {
    if (!/^-?\d+$/.test(n)) throw bad(`strconv.ParseInt: parsing ${JSON.stringify(n)}: invalid syntax`);
  }
  if (Number(hard) !== -1 && (Number(soft) === -1 || Number(soft) > Number(hard))) {
    const shown = Number(soft) === -1 ? `soft: -1 (unlimited), hard: ${hard}` : `${soft} > ${hard}`;
    throw bad(`ulimit soft limit must be less than or equal to hard limit: ${shown}`);
  }
  return { Name: name, Soft: Number(soft), Hard: Number(hard) };
}

/** `--device host[:container][:rwm]`. */
export function device(text: string): DeviceMapping {
  const parts = text.split(":");
  const [host = "", second, third] = parts;
  const isMode = (t: string | undefined): boolean =>
    t !== undefined && /^[rwm]{1,3}$/.test(t) && new Set(t).size === t.length;
  if (parts.length > 3 || host === "") throw invalid(`bad format for path: ${text}`);
  if (parts.length === 3 && !isMode(third)) throw invalid(`bad mode specified: ${third}`);
  const inside = second === undefined || isMode(second) ? host : second;
  const mode = third ?? (isMode(second) ? second : undefined);
  if (!inside.startsWith("/")) throw invalid(`${inside} is not an absolute path`);
  return { PathOnHost: host, PathInContainer: inside, CgroupPermissions: mode ?? "rwm" };
}

/** `--device-cgroup-rule "c 1:3 rwm"` (the kernel's devices.allow). */
export function deviceRule(text: string): string {
  if (/^[acb] (\d+|\*):(\d+|\*) [rwm]{1,3}$/.test(text)) return text;
  throw inFlag(text, "--device-cgroup-rule", `invalid device cgroup format '${text}'`);
}

/** The engine knows which names there are, and says so. */
type Policy = NonNullable<RestartPolicy["Name"]>;

/** `--restart name[:count]`. */
export function restartPolicy(text: string): RestartPolicy {
  const [name = "", count, extra] = text.split(":");
  if (extra !== undefined) throw invalid("invalid restart policy format: maximum retry count must be an integer");
  if (text !== "" && name === "") throw invalid("invalid restart policy format: no policy provided before colon");
  if (count && !/^-?\d+$/.test(count)) {
    throw invalid("invalid restart policy format: maximum retry count must be an integer");
  }
  return { Name: name as Policy, MaximumRetryCount: Number(count || 0) };
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

/** A flag's name of an image, as it is written. */
export function imageName(text: string, flag: string): string {
  try {
    parseReference(text);
  } catch (error) {
    throw inFlag(text, flag, messageOf(error));
  }
  return text;
}

/** `--dns`. */
export function dnsServer(text: string): string {
  if (isIP(text.trim()) === 0) throw inFlag(text, "--dns", `IP address is not correctly formatted: ${text}`);
  return text.trim();
}

/** `--dns-search`: `.` for none, or a domain with a letter in it. */
export function searchDomain(text: string): string {
  const domain = text.trim().replace(/(.)\.$/, "$1");
  const isLabel = (label: string): boolean => /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$/.test(label);
  if (domain === ".") return domain;
  if (/[a-zA-Z]/.test(domain) && domain.split(".").every(isLabel)) return domain;
  throw inFlag(text, "--dns-search", `${text} is not a valid domain`);
}

/** `--link name[:alias]`. */
export function link(text: string): string {
  if (text === "") throw inFlag(text, "--link", "empty string specified for links");
  if (text.split(":").length > 2) throw inFlag(text, "--link", `bad format for links: ${text}`);
  return text;
}

const SYSCTLS = new Set(
  "msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced".split(" ").map((name) => `kernel.${name}`),
);

/** `--sysctl name=value`: only those that belong to a container's own namespaces. */
export function sysctl(text: string): string {
  const [name = "", value] = text.split("=", 2);
  if (value !== undefined && (/^(net\.|fs\.mqueue\.)/.test(name) || SYSCTLS.has(name))) return text;
  throw inFlag(text, "--sysctl", `sysctl '${text}' is not allowed`);
}
