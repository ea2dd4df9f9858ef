import type { Shape } from "./validate.ts";

/** The names that Go's decoder gives to fields' types in Docker's answers: the field's own, and that of its elements. Others follow from their shapes. */
const TYPES: Record<string, [own: string, element?: string]> = {
  StopTimeout: ["int"],
  Retries: ["int"],
  MaximumRetryCount: ["int"],
  OomScoreAdj: ["int"],
  Count: ["int"],
  GwPriority: ["int"],
  BlkioWeight: ["uint16"],
  Weight: ["uint16"],
  Rate: ["uint64"],
  ConsoleSize: ["[2]uint", "uint"],
  Mode: ["fs.FileMode"],
  Interval: ["time.Duration"],
  Timeout: ["time.Duration"],
  StartPeriod: ["time.Duration"],
  StartInterval: ["time.Duration"],
  HostConfig: ["container.HostConfig"],
  RestartPolicy: ["container.RestartPolicy"],
  Isolation: ["container.Isolation"],
  NetworkMode: ["container.NetworkMode"],
  IpcMode: ["container.IpcMode"],
  PidMode: ["container.PidMode"],
  UTSMode: ["container.UTSMode"],
  UsernsMode: ["container.UsernsMode"],
  CgroupnsMode: ["container.CgroupnsMode"],
  Cgroup: ["container.CgroupSpec"],
  Mounts: ["[]mount.Mount", "mount.Mount"],
  BindOptions: ["mount.BindOptions"],
  Propagation: ["mount.Propagation"],
  Consistency: ["mount.Consistency"],
  VolumeOptions: ["mount.VolumeOptions"],
  DriverConfig: ["mount.Driver"],
  TmpfsOptions: ["mount.TmpfsOptions"],
  ImageOptions: ["mount.ImageOptions"],
  LogConfig: ["container.LogConfig"],
  PortBindings: ["nat.PortMap", "[]nat.PortBinding"],
  ExposedPorts: ["nat.PortSet", "struct {}"],
  Volumes: ["map[string]struct {}", "struct {}"],
  Healthcheck: ["container.HealthConfig"],
  NetworkingConfig: ["network.NetworkingConfig"],
  EndpointsConfig: ["map[string]*network.EndpointSettings", "network.EndpointSettings"],
  IPAMConfig: ["network.EndpointIPAMConfig"],
  Ulimits: ["[]*container.Ulimit", "container.Ulimit"],
  Devices: ["[]container.DeviceMapping", "container.DeviceMapping"],
  DeviceRequests: ["[]container.DeviceRequest", "container.DeviceRequest"],
};

/** Those that hold less than 64 bits with a sign: smallest and largest value. */
const RANGES: Record<string, [number, number]> = {
  uint16: [0, 2 ** 16 - 1],
  "fs.FileMode": [0, 2 ** 32 - 1],
  uint: [0, 2 ** 64],
  uint64: [0, 2 ** 64],
};

const BASIC: Record<string, string> = { string: "string", boolean: "bool", integer: "int64", number: "float64" };

/** The type at a path of members and indexes. */
export function goType(shape: Shape, path: readonly string[]): string {
  const last = path.at(-1) ?? "";
  const before = path.at(-2) ?? "";
  if (last === "Name" && before === "RestartPolicy") return "container.RestartPolicyMode";
  const own = TYPES[last]?.[0] ?? TYPES[before]?.[1];
  return own ?? typeOf(shape);
}

function typeOf(shape: Shape): string {
  if (typeof shape === "string") return BASIC[shape] ?? "object";
  if ("array" in shape) return `[]${typeOf(shape.array)}`;
  return "map" in shape ? `map[string]${typeOf(shape.map)}` : "object";
}

/** Whether a whole number is one of that type. */
export function fitsGoType(value: number, type: string): boolean {
  const [least, most] = RANGES[type] ?? [-(2 ** 63), 2 ** 63];
  return value >= least && value <= most;
}

/** The path as Go writes it: a JSON pointer's escapes (RFC 6901) between dots. An element of a list is no "struct field". */
export function goPath(type: string, path: readonly string[]): string {
  const dotted = path.map((part) => `.${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
  return `${/^\d+$/.test(path.at(-1) ?? "") ? "" : "Go struct field "}${type}${dotted}`;
}

/** The kind of a JSON value in Go's words. */
export function goKind(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return typeof value === "boolean" ? "bool" : value === null ? "null" : typeof value;
}
