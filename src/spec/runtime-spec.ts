/** The part of the OCI runtime specification (config.md, config-linux.md, 1.2) that Berth writes. */
export interface RuntimeSpec {
  ociVersion: string;
  process: Process;
  root: { path: string; readonly: boolean };
  hostname?: string;
  domainname?: string;
  mounts: Mount[];
  annotations?: Record<string, string>;
  hooks?: Hooks;
  linux: Linux;
}

/** config.md, "POSIX-platform Hooks". Paths are the host's. */
export type Hooks = Partial<
  Record<
    "prestart" | "createRuntime" | "createContainer" | "startContainer" | "poststart" | "poststop",
    { path: string; args?: string[]; env?: string[]; timeout?: number }[]
  >
>;

/** config.md, "process". */
export interface Process {
  terminal: boolean;
  consoleSize?: { height: number; width: number };
  user: { uid: number; gid: number; additionalGids?: number[]; umask?: number };
  args: string[];
  env: string[];
  cwd: string;
  capabilities?: {
    bounding: string[];
    effective: string[];
    permitted: string[];
    inheritable?: string[];
    ambient?: string[];
  };
  rlimits?: { type: string; hard: number; soft: number }[];
  noNewPrivileges?: boolean;
  oomScoreAdj?: number;
  apparmorProfile?: string;
}

/** config.md, "mounts". */
export interface Mount {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
}

/** config-linux.md. */
export interface Linux {
  namespaces: { type: "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup"; path?: string }[];
  uidMappings?: IdMapping[];
  gidMappings?: IdMapping[];
  devices?: Device[];
  cgroupsPath?: string;
  resources?: LinuxResources;
  rootfsPropagation?: string;
  seccomp?: Seccomp;
  sysctl?: Record<string, string>;
  maskedPaths?: string[];
  readonlyPaths?: string[];
}

/** config-linux.md, "user namespace mappings". */
export interface IdMapping {
  containerID: number;
  hostID: number;
  size: number;
}

/** config-linux.md, "devices". */
export interface Device {
  type: "c" | "b" | "u" | "p";
  path: string;
  major: number;
  minor: number;
  fileMode?: number;
  uid?: number;
  gid?: number;
}

/** config-linux.md, "control groups". Memory in bytes, CPU quota and period in microseconds. */
export interface LinuxResources {
  devices?: { allow: boolean; type?: string; major?: number; minor?: number; access?: string }[];
  memory?: { limit?: number; reservation?: number; swap?: number; swappiness?: number; disableOOMKiller?: boolean };
  cpu?: {
    shares?: number;
    quota?: number;
    period?: number;
    realtimeRuntime?: number;
    realtimePeriod?: number;
    cpus?: string;
    mems?: string;
  };
  pids?: { limit: number };
  blockIO?: {
    weight?: number;
    weightDevice?: { major: number; minor: number; weight: number }[];
    throttleReadBpsDevice?: ThrottleRate[];
    throttleWriteBpsDevice?: ThrottleRate[];
    throttleReadIOPSDevice?: ThrottleRate[];
    throttleWriteIOPSDevice?: ThrottleRate[];
  };
}

/** config-linux.md, "block IO". */
export interface ThrottleRate {
  major: number;
  minor: number;
  rate: number;
}

/** config-linux.md, "seccomp". */
export interface Seccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  syscalls?: {
    names: string[];
    action: string;
    errnoRet?: number;
    args?: { index: number; value: number; valueTwo?: number; op: string }[];
  }[];
}
