import { readFileSync } from "node:fs";
import type { CreateBody } from "../../client/containers.ts";
import type { ContainerConfig, HealthConfig, HostConfig } from "../../spec/engine-api.ts";
import { BerthError, messageOf } from "../../spec/errors.ts";
import { goErrno } from "../../spec/go-errno.ts";
import type { FlagValues } from "../flags.ts";
import { environment, labels, pairs } from "./env.ts";
import type { CONTAINER_FLAGS } from "./flags.ts";
import { cdiRequests, gpuRequest, isCdiDevice } from "./gpus.ts";
import { parseMount, tmpfsOptions, volumeOptions } from "./mounts.ts";
import { networkOptions } from "./networks.ts";
import { portOptions } from "./ports.ts";
import {
  device,
  deviceRule,
  dnsServer,
  extraHost,
  link,
  resourceOptions,
  restartPolicy,
  searchDomain,
  sysctl,
} from "./resources.ts";

/** The flags of `run` and `create`, parsed. */
export type ContainerFlags = FlagValues<typeof CONTAINER_FLAGS>;

/** What the flags are read with. `detach` leaves the standard streams unattached. */
export interface BodyInput {
  flags: ContainerFlags;
  given: ReadonlySet<string>;
  /** The image and the command behind it. */
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  detach: boolean;
}

const invalid = (message: string): BerthError => new BerthError("invalid-argument", message);

/** The body of `POST /containers/create` that Docker's CLI sends for the same command line. Throws in its words. */
export function createBody(input: BodyInput): CreateBody {
  const { flags } = input;
  checkConflicts(input);
  const network = networkOptions(flags);
  return {
    ...config(input),
    HostConfig: { ...resourceOptions(flags), ...hostConfig(input), NetworkMode: network.mode },
    NetworkingConfig: { EndpointsConfig: network.endpoints },
  };
}

function checkConflicts({ flags, given }: BodyInput): void {
  if (flags.rm && given.has("restart") && flags.restart !== "no" && flags.restart !== "") {
    throw invalid("conflicting options: cannot specify both --restart and --rm");
  }
  for (const name of ["cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops"]) {
    if (!given.has(name)) continue;
    const only = "is only supported on a Docker daemon running on windows";
    throw invalid(`"--${name}" ${only}, but the Docker daemon is running on linux`);
  }
  if (!["always", "missing", "never", ""].includes(flags.pull)) {
    throw invalid(`invalid pull option: '${flags.pull}': must be one of "always", "missing" or "never"`);
  }
  checkMode(flags.pid, "--pid: invalid PID mode", /^(host|container:.+)?$/);
  checkMode(flags.uts, "--uts: invalid UTS mode", /^(host)?$/);
  checkMode(flags.userns, "--userns: invalid USER mode", /^(host)?$/);
  checkMode(flags.cgroupns, "--cgroupns: invalid CGROUP mode", /^(host|private)?$/);
}

function checkMode(value: string, message: string, pattern: RegExp): void {
  if (!pattern.test(value)) throw invalid(message);
}

interface Streams {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

/** Which streams `-a`, `-i` and `-d` attach. */
function attachedStreams({ flags, detach }: BodyInput): Streams {
  const wanted = flags.attach.map((text) => {
    const name = text.toLowerCase();
    if (["stdin", "stdout", "stderr"].includes(name)) return name;
    throw invalid(`invalid argument "${text}" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR`);
  });
  if (detach) return { stdin: false, stdout: false, stderr: false };
  if (wanted.length === 0) return { stdin: flags.interactive, stdout: true, stderr: true };
  return {
    stdin: wanted.includes("stdin") || flags.interactive,
    stdout: wanted.includes("stdout"),
    stderr: wanted.includes("stderr"),
  };
}

function config(input: BodyInput): ContainerConfig {
  const { flags, given, args, env } = input;
  const [image = "", ...command] = args;
  const ports = portOptions(flags.publish, flags.expose);
  const streams = attachedStreams(input);
  const { volumes } = volumeOptions(flags.volume);
  return {
    Hostname: flags.hostname,
    Domainname: flags.domainname,
    User: flags.user,
    AttachStdin: streams.stdin,
    AttachStdout: streams.stdout,
    AttachStderr: streams.stderr,
    ExposedPorts: ports.exposed,
    Tty: flags.tty,
    OpenStdin: flags.interactive,
    StdinOnce: flags.interactive && streams.stdin,
    Env: environment(flags["env-file"], flags.env, env),
    ...(command.length > 0 ? { Cmd: command } : {}),
    ...healthcheck(flags),
    Image: image,
    Volumes: volumes,
    WorkingDir: flags.workdir,
    ...(given.has("entrypoint") ? { Entrypoint: [flags.entrypoint] } : {}),
    Labels: labels(flags["label-file"], flags.label),
    ...(given.has("stop-signal") ? { StopSignal: flags["stop-signal"] } : {}),
    ...(given.has("stop-timeout") ? { StopTimeout: flags["stop-timeout"] } : {}),
  };
}

function healthcheck(flags: ContainerFlags): { Healthcheck?: HealthConfig } {
  const timing = {
    Interval: flags["health-interval"],
    Timeout: flags["health-timeout"],
    StartPeriod: flags["health-start-period"],
    StartInterval: flags["health-start-interval"],
    Retries: flags["health-retries"],
  };
  const has = flags["health-cmd"] !== "" || Object.values(timing).some((n) => n !== 0);
  if (flags["no-healthcheck"]) {
    if (has) throw invalid("--no-healthcheck conflicts with --health-* options");
    return { Healthcheck: { Test: ["NONE"] } };
  }
  for (const name of [
    "health-interval",
    "health-timeout",
    "health-retries",
    "health-start-period",
    "health-start-interval",
  ] as const) {
    if (flags[name] < 0) throw invalid(`--${name} cannot be negative`);
  }
  if (!has) return {};
  return { Healthcheck: { ...(flags["health-cmd"] ? { Test: ["CMD-SHELL", flags["health-cmd"]] } : {}), ...timing } };
}

function capabilities(names: readonly string[]): string[] {
  const full = names.map((name) => {
    const upper = name.trim().toUpperCase();
    return upper === "ALL" || upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  });
  return [...new Set(full)].sort();
}

function hostConfig({ flags, given }: BodyInput): HostConfig {
  const { binds } = volumeOptions(flags.volume);
  const logType = flags["log-driver"] as NonNullable<NonNullable<HostConfig["LogConfig"]>["Type"]>;
  return {
    Binds: binds,
    ContainerIDFile: flags.cidfile,
    LogConfig: { ...(logType ? { Type: logType } : {}), Config: logOptions(flags) },
    PortBindings: portOptions(flags.publish, flags.expose).bindings,
    RestartPolicy: restartPolicy(flags.restart),
    AutoRemove: flags.rm,
    VolumeDriver: flags["volume-driver"],
    VolumesFrom: flags["volumes-from"],
    Mounts: flags.mount.map(parseMount),
    Annotations: pairs(flags.annotation),
    CapAdd: capabilities(flags["cap-add"]),
    CapDrop: capabilities(flags["cap-drop"]),
    ...(flags.cgroupns === "host" || flags.cgroupns === "private" ? { CgroupnsMode: flags.cgroupns } : {}),
    CgroupParent: flags["cgroup-parent"],
    Devices: flags.device.filter((text) => !isCdiDevice(text)).map(device),
    DeviceRequests: [...flags.gpus.map(gpuRequest), ...cdiRequests(flags.device)],
    DeviceCgroupRules: flags["device-cgroup-rule"].map(deviceRule),
    Dns: flags.dns.map(dnsServer),
    DnsOptions: [...flags["dns-option"], ...flags["dns-opt"]],
    DnsSearch: flags["dns-search"].map(searchDomain),
    ExtraHosts: flags["add-host"].map(extraHost),
    GroupAdd: flags["group-add"],
    IpcMode: flags.ipc,
    ...(given.has("init") ? { Init: flags.init } : {}),
    Links: flags.link.map(link),
    PidMode: flags.pid,
    Privileged: flags.privileged,
    PublishAllPorts: flags["publish-all"],
    ReadonlyRootfs: flags["read-only"],
    ...securityOptions(flags["security-opt"]),
    StorageOpt: storageOptions(flags["storage-opt"]),
    Sysctls: pairs(flags.sysctl.map(sysctl)),
    Tmpfs: tmpfsOptions(flags.tmpfs),
    UTSMode: flags.uts,
    UsernsMode: flags.userns,
    ...(flags.runtime ? { Runtime: flags.runtime } : {}),
    ...(flags.isolation ? { Isolation: flags.isolation as NonNullable<HostConfig["Isolation"]> } : {}),
  };
}

function logOptions(flags: ContainerFlags): Record<string, string> {
  if (flags["log-driver"] === "none" && flags["log-opt"].length > 0) {
    throw invalid("invalid logging opts for driver none");
  }
  return pairs(flags["log-opt"]);
}

function storageOptions(texts: readonly string[]): Record<string, string> {
  if (texts.some((t) => !t.includes("="))) throw invalid("invalid storage option");
  return pairs(texts);
}

/** `systempaths=unconfined` unmasks /proc and /sys; a seccomp profile is a file of this machine, and is sent as its text. */
function securityOptions(texts: readonly string[]): HostConfig {
  const kept: string[] = [];
  let unmasked = false;
  for (const text of texts) {
    if (text === "systempaths=unconfined") unmasked = true;
    else kept.push(securityOption(text));
  }
  return { SecurityOpt: kept, ...(unmasked ? { MaskedPaths: [], ReadonlyPaths: [] } : {}) };
}

function securityOption(text: string): string {
  const [, key = text, value] = /^([^=:]+)[=:](.*)$/s.exec(text) ?? [];
  if (value === undefined && key !== "no-new-privileges")
    throw invalid(`Invalid --security-opt: ${JSON.stringify(text)}`);
  if (key !== "seccomp" || value === undefined || value === "unconfined" || value === "builtin") return text;
  return `seccomp=${compactProfile(value)}`;
}

function compactProfile(path: string): string {
  let text = "";
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw invalid(`opening seccomp profile (${path}) failed: open ${path}: ${goErrno(error)}`);
  }
  try {
    return JSON.stringify(JSON.parse(text));
  } catch (error) {
    throw invalid(`compacting json for seccomp profile (${path}) failed: ${messageOf(error)}`);
  }
}
