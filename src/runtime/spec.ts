import type { HostConfig } from "../spec/engine-api.ts";
import { BerthError } from "../spec/errors.ts";
import { hostPlatform } from "../spec/platform.ts";
import type { Linux, Process, RuntimeSpec, Seccomp } from "../spec/runtime-spec.ts";
import { capabilitySet } from "./capabilities.ts";
import { type CdiEdits, cdiEdits } from "./cdi.ts";
import { deviceNumbers, deviceSetup } from "./devices.ts";
import { type OwnLimits, rlimits } from "./limits.ts";
import { maskedPaths, mergeMounts, readonlyPaths, systemMounts } from "./mounts.ts";
import { linuxResources } from "./resources.ts";
import { customSeccomp, defaultSeccomp } from "./seccomp.ts";
import type { ExecRequest, LaunchRequest } from "./types.ts";

/** What this engine itself may do and has; what it lacks no container gets. */
export interface HostFacts {
  /** Effective capabilities of this process, as a mask. */
  held: bigint;
  limits: OwnLimits;
  seccomp: boolean;
  apparmor: boolean;
  /** Where containers' cgroups go that name no parent: dockerd's `cgroup-parent`. */
  cgroupParent: string;
  /** The engine's own oom_score_adj: lower ones need CAP_SYS_RESOURCE. */
  oomScoreAdj: number;
  /** Where specifications of CDI devices are. */
  cdiDirs: readonly string[];
}

/** The bundle's config.json for a container (OCI runtime-spec 1.2, config.md). `shm` is a folder that it has as /dev/shm; undefined: a tmpfs of its own. */
export function containerSpec(asked: LaunchRequest, facts: HostFacts, shm?: string): RuntimeSpec {
  const cdi = cdiEdits(asked.hostConfig.DeviceRequests ?? [], facts.cdiDirs);
  const request = withEdits(asked, cdi);
  const host = request.hostConfig;
  const capabilities = capabilitiesOf(host, host.Privileged === true, facts);
  const sharesUts = host.UTSMode === "host";
  return {
    ociVersion: "1.0.2",
    process: processOf(request, { capabilities, tty: request.config.Tty === true }, facts),
    root: { path: "rootfs", readonly: host.ReadonlyRootfs === true },
    ...(sharesUts ? {} : { hostname: request.hostname }),
    ...(!sharesUts && request.config.Domainname ? { domainname: request.config.Domainname } : {}),
    mounts: mergeMounts(systemMounts(host, shm), request.mounts),
    ...(host.Annotations ? { annotations: host.Annotations } : {}),
    ...(Object.keys(cdi.hooks).length > 0 ? { hooks: cdi.hooks } : {}),
    linux: withDevices(linuxOf(request, capabilities, facts), cdi),
  };
}

/** Variables of devices replace those of the same name. */
function withEdits(request: LaunchRequest, cdi: CdiEdits): LaunchRequest {
  const nameOf = (word: string): string => word.split("=", 1)[0] ?? "";
  const names = new Set(cdi.env.map(nameOf));
  const { user } = request;
  return {
    ...request,
    env: [...request.env.filter((word) => !names.has(nameOf(word))), ...cdi.env],
    mounts: [...request.mounts, ...cdi.mounts],
    user: { ...user, additionalGids: [...new Set([...user.additionalGids, ...cdi.gids])] },
  };
}

function withDevices(linux: Linux, { devices, rules }: CdiEdits): Linux {
  const allowed = linux.resources?.devices ?? [];
  const resources = { ...linux.resources, devices: [...allowed, ...rules] };
  return { ...linux, devices: [...(linux.devices ?? []), ...devices], resources };
}

/** process.json of an exec (config.md, "process"). */
export function execProcess(request: ExecRequest, facts: HostFacts): Process {
  const privileged = request.privileged || request.hostConfig.Privileged === true;
  return processOf(
    request,
    { capabilities: capabilitiesOf(request.hostConfig, privileged, facts), tty: request.tty },
    facts,
  );
}

/** Where a container's cgroup is: `/<cgroup-parent>/<id>`. */
export function cgroupPath(id: string, host: HostConfig, facts: Pick<HostFacts, "cgroupParent">): string {
  const parent = (host.CgroupParent || facts.cgroupParent)
    .split("/")
    .filter((part) => part && part !== "." && part !== "..");
  return `/${[...parent, id].join("/")}`;
}

function capabilitiesOf(host: HostConfig, privileged: boolean, facts: HostFacts): string[] {
  return capabilitySet({ add: host.CapAdd ?? [], drop: host.CapDrop ?? [], privileged, held: facts.held });
}

function processOf(
  request: LaunchRequest | ExecRequest,
  how: { capabilities: string[]; tty: boolean },
  facts: HostFacts,
): Process {
  const host = request.hostConfig;
  const { uid, gid, additionalGids } = request.user;
  // As execve(2) has it: another user than root starts without effective and permitted capabilities.
  const own = uid === 0 ? how.capabilities : [];
  const adjust = host.OomScoreAdj ?? 0;
  return {
    terminal: how.tty,
    ...(how.tty && request.consoleSize
      ? { consoleSize: { height: request.consoleSize.rows, width: request.consoleSize.cols } }
      : {}),
    user: { uid, gid, ...(additionalGids.length > 0 ? { additionalGids } : {}) },
    args: request.args,
    env: request.env,
    cwd: request.cwd,
    capabilities: { bounding: how.capabilities, effective: own, permitted: own, inheritable: [], ambient: [] },
    rlimits: rlimits(host, facts.limits),
    ...profileOf(host, facts),
    noNewPrivileges: securityOption(host, "no-new-privileges") === "true",
    ...(adjust !== 0 && (facts.limits.canRaise || adjust >= facts.oomScoreAdj) ? { oomScoreAdj: adjust } : {}),
  };
}

/** A profile that the host has loaded, by name; Berth loads none of its own. */
function profileOf(host: HostConfig, facts: HostFacts): Pick<Process, "apparmorProfile"> {
  const name = securityOption(host, "apparmor");
  return facts.apparmor && name && name !== "unconfined" && !host.Privileged ? { apparmorProfile: name } : {};
}

function linuxOf(request: LaunchRequest, capabilities: string[], facts: HostFacts): Linux {
  const host = request.hostConfig;
  const { devices, rules } = deviceSetup(host);
  const seccomp = seccompOf(host, capabilities, facts);
  return {
    namespaces: namespacesOf(request),
    devices,
    cgroupsPath: cgroupPath(request.id, host, facts),
    // A quota below 0 is no limit, which OCI runtimes take only as an absent one.
    resources: {
      ...linuxResources((host.CpuQuota ?? 0) < 0 ? { ...host, CpuQuota: 0 } : host, deviceNumbers),
      devices: rules,
    },
    ...(seccomp ? { seccomp } : {}),
    ...propagationOf(request),
    sysctl: sysctlsOf(request),
    maskedPaths: maskedPaths(host),
    readonlyPaths: readonlyPaths(host),
  };
}

/** A private root would cut the tie of every mount below it. */
function propagationOf({ mounts }: LaunchRequest): Pick<Linux, "rootfsPropagation"> {
  const has = (pattern: RegExp): boolean => mounts.some((m) => m.options?.some((o) => pattern.test(o)));
  if (has(/^r?shared$/)) return { rootfsPropagation: "rshared" };
  return has(/^r?slave$/) ? { rootfsPropagation: "rslave" } : {};
}

function namespacesOf(request: LaunchRequest): Linux["namespaces"] {
  const host = request.hostConfig;
  const one = (
    type: "uts" | "pid" | "ipc",
    mode: string | undefined,
    path: string | undefined,
  ): Linux["namespaces"] => {
    if (mode?.startsWith("container:") && !path)
      throw new BerthError("internal", `${type} namespace: nothing to join for "${mode}"`);
    return mode === "host" ? [] : [{ type, ...(path ? { path } : {}) }];
  };
  const network = request.netns ?? request.joins?.network;
  return [
    { type: "mount" },
    ...(network ? [{ type: "network" as const, path: network }] : []),
    ...one("uts", host.UTSMode, undefined),
    ...one("pid", host.PidMode, request.joins?.pid),
    ...one("ipc", host.IpcMode, request.joins?.ipc),
    ...(host.CgroupnsMode !== "host" ? [{ type: "cgroup" as const }] : []),
  ];
}

function sysctlsOf(request: LaunchRequest): Record<string, string> {
  // A namespace of its own is the container's to use: low ports and ping need no privilege there.
  const open = { "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647" };
  // Also as a setting: runc before 1.2 does not know the specification's `domainname`.
  const domain = request.hostConfig.UTSMode === "host" ? undefined : request.config.Domainname;
  return {
    ...(request.netns && !request.hostConfig.Privileged ? open : {}),
    ...(domain ? { "kernel.domainname": domain } : {}),
    ...request.hostConfig.Sysctls,
  };
}

function seccompOf(host: HostConfig, capabilities: string[], facts: HostFacts): Seccomp | undefined {
  const asked = securityOption(host, "seccomp");
  if (!facts.seccomp || asked === "unconfined" || (host.Privileged && asked === undefined)) return undefined;
  const target = { capabilities, architecture: hostPlatform().architecture };
  return asked === undefined || asked === "builtin" ? defaultSeccomp(target) : customSeccomp(asked, target);
}

/** The value of `key=value` or `key:value` in SecurityOpt; `true` for a bare key. The last one counts. */
function securityOption(host: HostConfig, key: string): string | undefined {
  const found = (host.SecurityOpt ?? [])
    .filter((o) => o === key || o.startsWith(`${key}=`) || o.startsWith(`${key}:`))
    .at(-1);
  return found === undefined ? undefined : found === key ? "true" : found.slice(key.length + 1);
}
