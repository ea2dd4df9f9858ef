import { existsSync, readFileSync } from "node:fs";
import { Command, InvalidArgumentError } from "commander";
import { type HostNamesWay, parseHostNames } from "../network/names/host-names.ts";
import type { PublishPolicy } from "../network/publish-policy.ts";
import type { Mirror, TransferLimits } from "../registry/types.ts";
import { BerthError, messageOf } from "../spec/errors.ts";
import { defaultRegistryOf, mirrorsOf, shortNamesOf, transfersOf } from "./registries.ts";
import { type TlsPaths, tlsPaths } from "./tls.ts";
import {
  addresses,
  addressPools,
  attributes,
  bytes,
  flag,
  list,
  logging,
  publishing,
  runtimesOf,
  type Settings,
  text,
  ulimitsOf,
} from "./values.ts";

/** The levels of the daemon's own log, least to most severe. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

/** One of LOG_LEVELS. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A daemon's settings, from flags and daemon.json, defaults filled in. Paths are absolute. */
export interface DaemonConfig {
  hosts: string[];
  /** For the tcp hosts. */
  tls?: TlsPaths;
  dataRoot: string;
  execRoot: string;
  pidfile?: string;
  bridge: string;
  bip?: string;
  mtu?: number;
  /** Options of new networks that do not have them, by driver. */
  networkDefaults: Record<string, Record<string, string>>;
  logLevel: LogLevel;
  experimental: boolean;
  defaultRuntime?: string;
  runtimes: Record<string, { path: string; runtimeArgs?: string[] }>;
  labels: string[];
  cgroupParent: string;
  logDriver: string;
  logOpts: Record<string, string>;
  init: boolean;
  initPath?: string;
  /** Where specifications of CDI devices are; undefined: the usual folders. */
  cdiDirs?: string[];
  dns: string[];
  dnsSearch: string[];
  dnsOpts: string[];
  /** Registries that are asked before others. */
  registryMirrors: Mirror[];
  insecureRegistries: string[];
  /** Where names without a registry are fetched from; undefined: Docker Hub. */
  defaultRegistry?: string;
  /** Names without a registry, and what they stand for. */
  shortNames: Record<string, string>;
  transfers: TransferLimits;
  /** Where plugins are looked for; undefined: the usual folders. */
  pluginDirs?: string[];
  /** Seconds that a plugin has for an answer. */
  pluginTimeout: number;
  /** What networks without a subnet of their own are cut from; none: Docker's. */
  addressPools: { base: string; size: number }[];
  /** Where published ports go that name no address. */
  publish: { policy: PublishPolicy; address?: string };
  /** How containers' names are resolved from the host. */
  hostNames: HostNamesWay;
  defaultUlimits: Record<string, { Name: string; Soft: number; Hard: number }>;
  /** Started by a command that found no daemon: leaves after this many idle milliseconds; 0: never. */
  idleExit: number;
}

/** Where Berth is when nothing says otherwise. */
export const DEFAULTS = {
  dataRoot: "/var/lib/berth",
  execRoot: "/run/berth",
  configFile: "/etc/berth/daemon.json",
  bridge: "berth0",
} as const;

/** The daemon.json keys that Berth knows (dockerd's names) and the flag that each is. Others are refused, as dockerd does. */
const KEYS: Record<string, string> = {
  hosts: "host",
  tls: "tls",
  tlsverify: "tlsverify",
  tlscacert: "tlscacert",
  tlscert: "tlscert",
  tlskey: "tlskey",
  "data-root": "dataRoot",
  "exec-root": "execRoot",
  pidfile: "pidfile",
  bridge: "bridge",
  bip: "bip",
  mtu: "mtu",
  "network-mtu": "networkMtu",
  "default-network-opts": "defaultNetworkOpt",
  "log-level": "logLevel",
  debug: "debug",
  experimental: "experimental",
  "default-runtime": "defaultRuntime",
  runtimes: "addRuntime",
  "cgroup-parent": "cgroupParent",
  labels: "label",
  "log-driver": "logDriver",
  "log-opts": "logOpt",
  init: "init",
  "init-path": "initPath",
  "cdi-spec-dirs": "cdiSpecDir",
  dns: "dns",
  "dns-search": "dnsSearch",
  "dns-opts": "dnsOpt",
  "default-ulimits": "defaultUlimit",
  "plugin-dirs": "pluginDir",
  "plugin-timeout": "pluginTimeout",
  "registry-mirrors": "registryMirror",
  "insecure-registries": "insecureRegistry",
  "default-registry": "defaultRegistry",
  "short-names": "shortName",
  "max-concurrent-downloads": "maxConcurrentDownloads",
  "max-concurrent-uploads": "maxConcurrentUploads",
  "max-download-attempts": "maxDownloadAttempts",
  "default-address-pools": "defaultAddressPool",
  "host-names": "hostNames",
  "publish-policy": "publishPolicy",
  "publish-default": "publishDefault",
  ip: "ip",
};
/** Seconds. Docker waits for half a minute, in silence. */
const PLUGIN_TIMEOUT = 8;
/** Keys of dockerd that ask for what Berth does anyway, or that concern parts it does not have: taken without effect. */
const WITHOUT_EFFECT = new Set([
  "live-restore",
  "storage-driver",
  "iptables",
  "ip-forward",
  "ip-masq",
  "userland-proxy",
  "features",
  "exec-opts",
  "shutdown-timeout",
  "containerd",
  "group",
  "builder",
]);

/** The flags of `berth daemon`: dockerd's where they apply. */
function daemonCommand(): Command {
  return registryFlags(new Command("berth daemon"))
    .description("Run the engine in the foreground")
    .option("-H, --host <list>", "Daemon sockets to listen on (unix://PATH or tcp://HOST:PORT)", collect)
    .option("--tls", "Use TLS on tcp sockets; implied by --tlsverify")
    .option("--tlsverify", "Let only clients in whose certificate is of the CA")
    .option("--tlscacert <file>", "The CA of the clients (default: ca.pem in ~/.docker)")
    .option("--tlscert <file>", "The daemon's certificate (default: cert.pem in ~/.docker)")
    .option("--tlskey <file>", "The daemon's key (default: key.pem in ~/.docker)")
    .option("--data-root <dir>", `Root of everything persistent (default "${DEFAULTS.dataRoot}")`)
    .option("--exec-root <dir>", `Root of everything that ends with the machine (default "${DEFAULTS.execRoot}")`)
    .option("-p, --pidfile <file>", "File for the daemon's pid")
    .option("--config-file <file>", `Configuration file (default "${DEFAULTS.configFile}")`)
    .option(
      "-b, --bridge <name>",
      `Bridge of the default network; "none" for no networking (default "${DEFAULTS.bridge}")`,
    )
    .option("--bip <cidr>", "Address and prefix of the default bridge")
    .option("--default-address-pool <base=cidr,size=n>", "Subnets of new networks are cut from these", collect)
    .option("--host-names <way>", "Names of containers for the host: dns[=ADDRESS], hosts[=FILE] or off (default off)")
    .option("--publish-policy <policy>", "Where ports go that name no address: any, lan, local or ask (default any)")
    .option("--publish-default <address>", "Address of published ports that name none, whatever the policy")
    .option("--ip <address>", "Docker's name for --publish-default")
    .option("--mtu <bytes>", "MTU of the default network (default: the default route's)", integer)
    .option("--network-mtu <bytes>", "Same as --mtu", integer)
    .option("--default-network-opt <driver=key=value>", "An option of new networks of that driver", collect)
    .option("--plugin-dir <dir>", "Look for plugins here and not in the usual folders", collect)
    .option("--plugin-timeout <seconds>", "How long a plugin has for an answer (default 8)", integer)
    .option("-l, --log-level <level>", `Logging level: ${LOG_LEVELS.join(", ")} (default "info")`)
    .option("-D, --debug", "Same as --log-level debug")
    .option("--experimental", "Let clients use what Docker calls experimental: build --squash")
    .option("--default-runtime <name>", "OCI runtime for containers that name none (default: crun, else runc)")
    .option("--add-runtime <name=path>", "Register a further OCI runtime", collect)
    .option("--cgroup-parent <path>", 'Cgroup of containers that name none (default "berth")')
    .option("--label <list>", "Labels of the daemon", collect)
    .option(
      "--log-driver <driver>",
      'Default log driver: json-file, local, syslog, journald, fluentd, gelf or none (default "json-file")',
    )
    .option("--log-opt <key=value>", "Default log options", collect)
    .option("--init", "Run an init in each container that does not say otherwise")
    .option("--init-path <file>", "Path of the init (default: Berth's own)")
    .option("--cdi-spec-dir <dir>", "Folder with specifications of CDI devices", collect)
    .option("--dns <list>", "DNS servers for containers", collect)
    .option("--dns-search <list>", "DNS search domains for containers", collect)
    .option("--dns-opt <list>", "DNS options for containers", collect)
    .option("--default-ulimit <name=soft:hard>", "Default ulimits of containers", collect)
    .option(
      "--idle-exit <seconds>",
      "Leave after this long without work (what an automatically started daemon does)",
      integer,
    )
    .exitOverride();
}

/** Which registries are asked, and how. */
function registryFlags(command: Command): Command {
  return command
    .option("--registry-mirror <[registry=]url>", "Mirrors of a registry, or of Docker Hub, asked first", collect)
    .option(
      "--insecure-registry <list>",
      "Registries that may use any certificate, or none (host:port or CIDR)",
      collect,
    )
    .option("--default-registry <host[:port][/prefix]>", "Where names without a registry are fetched from")
    .option("--short-name <name=reference>", "A short name for a repository of some registry", collect)
    .option("--max-concurrent-downloads <n>", "Layers of a pull that come at once (default 3)", integer)
    .option("--max-concurrent-uploads <n>", "Layers of a push that go at once (default 5)", integer)
    .option(
      "--max-download-attempts <n>",
      "Attempts at a download, while it does not come forward (default 6)",
      integer,
    );
}

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

function integer(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("a whole number is wanted");
  return Number(text);
}

/** Reads flags and file. Throws `invalid-argument` for what is unknown, doubled or malformed. */
export function loadConfig(argv: readonly string[]): DaemonConfig {
  const command = daemonCommand().parse([...argv], { from: "user" });
  if (command.args.length > 0)
    throw new BerthError("invalid-argument", `berth daemon accepts no arguments, got "${command.args[0]}"`);
  const flags = command.opts() as Settings;
  const file = readConfigFile(flags["configFile"] as string | undefined);
  const doubled = Object.keys(file).filter((key) => flags[KEYS[key] ?? ""] !== undefined);
  if (doubled.length > 0) {
    const both = doubled.map((k) => `${k}: (from flag: ${shown(flags[KEYS[k] ?? ""])}, from file: ${shown(file[k])})`);
    throw new BerthError(
      "invalid-argument",
      `the following directives are specified both as a flag and in the configuration file: ${both.join(", ")}`,
      { hint: "keep one of the two" },
    );
  }
  const settings: Settings = { ...flags };
  for (const [key, value] of Object.entries(file)) settings[KEYS[key] ?? ""] = value;
  return toConfig(settings);
}

/** As dockerd's own message shows a value. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `[${value.join(" ")}]`;
  return typeof value === "string" ? value : JSON.stringify(value);
}

function readConfigFile(given: string | undefined): Settings {
  const path = given ?? DEFAULTS.configFile;
  if (!existsSync(path)) {
    if (given === undefined) return {};
    throw new BerthError("not-found", `unable to configure the daemon with file ${path}: no such file`);
  }
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new BerthError("invalid-argument", `unable to configure the daemon with file ${path}: ${messageOf(cause)}`, {
      cause,
    });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new BerthError("invalid-argument", `unable to configure the daemon with file ${path}: want a JSON object`);
  }
  const entries = Object.entries(value).filter(([key]) => !WITHOUT_EFFECT.has(key));
  const unknown = entries.map(([key]) => key).filter((key) => !(key in KEYS));
  if (unknown.length > 0) {
    throw new BerthError(
      "invalid-argument",
      `${path}: the following directives don't match any configuration option: ${unknown.join(", ")}`,
    );
  }
  return Object.fromEntries(entries);
}

function toConfig(s: Settings): DaemonConfig {
  const execRoot = text(s, "execRoot") ?? DEFAULTS.execRoot;
  const level = flag(s, "debug") ? "debug" : (text(s, "logLevel") ?? "info");
  const logLevel = LOG_LEVELS.find((l) => l === level);
  if (!logLevel)
    throw new BerthError("invalid-argument", `unable to parse logging level: ${level}`, {
      hint: `one of ${LOG_LEVELS.join(", ")}`,
    });
  const hosts = list(s, "host");
  const bip = text(s, "bip");
  const initPath = text(s, "initPath");
  const cdiDirs = list(s, "cdiSpecDir");
  const pidfile = text(s, "pidfile");
  const pluginDirs = list(s, "pluginDir");
  const defaultRuntime = text(s, "defaultRuntime");
  const mtu = bytes(s, "networkMtu") ?? bytes(s, "mtu");
  const tls = tlsPaths(s);
  const defaultRegistry = defaultRegistryOf(text(s, "defaultRegistry"));
  return {
    ...(tls ? { tls } : {}),
    hosts: hosts.length > 0 ? hosts : [`unix://${execRoot}/berth.sock`],
    dataRoot: text(s, "dataRoot") ?? DEFAULTS.dataRoot,
    execRoot,
    ...(pidfile ? { pidfile } : {}),
    ...(pluginDirs.length > 0 ? { pluginDirs } : {}),
    pluginTimeout:
      typeof s["pluginTimeout"] === "number" && s["pluginTimeout"] > 0 ? s["pluginTimeout"] : PLUGIN_TIMEOUT,
    bridge: text(s, "bridge") ?? DEFAULTS.bridge,
    ...(bip ? { bip } : {}),
    ...(mtu ? { mtu } : {}),
    networkDefaults: networkDefaults(s["defaultNetworkOpt"]),
    logLevel,
    experimental: flag(s, "experimental"),
    ...(defaultRuntime ? { defaultRuntime } : {}),
    runtimes: runtimesOf(s["addRuntime"]),
    cgroupParent: text(s, "cgroupParent") ?? "berth",
    labels: attributes(s, "label"),
    ...logging(s),
    init: flag(s, "init"),
    ...(initPath ? { initPath } : {}),
    ...(cdiDirs.length > 0 ? { cdiDirs } : {}),
    dns: addresses(s, "dns"),
    dnsSearch: list(s, "dnsSearch"),
    dnsOpts: list(s, "dnsOpt"),
    ...(defaultRegistry ? { defaultRegistry } : {}),
    shortNames: shortNamesOf(s["shortName"]),
    transfers: transfersOf(s),
    registryMirrors: mirrorsOf(s["registryMirror"]),
    insecureRegistries: list(s, "insecureRegistry"),
    addressPools: addressPools(s),
    publish: publishing(s),
    hostNames: parseHostNames(text(s, "hostNames") ?? "off"),
    defaultUlimits: ulimitsOf(s["defaultUlimit"]),
    idleExit: typeof s["idleExit"] === "number" ? s["idleExit"] * 1000 : 0,
  };
}

/** `driver=key=value` of flags, or Docker's object of objects. */
function networkDefaults(given: unknown): Record<string, Record<string, string>> {
  const bad = (what: unknown): BerthError =>
    new BerthError("invalid-argument", `invalid default-network-opts: ${JSON.stringify(what)}`, {
      hint: "driver=key=value, as in bridge=com.docker.network.driver.mtu=1400",
    });
  const found: Record<string, Record<string, string>> = {};
  const add = (driver: string, key: string, value: unknown): void => {
    if (driver === "" || key === "" || typeof value !== "string") throw bad(`${driver}=${key}=${String(value)}`);
    found[driver] = { ...found[driver], [key]: value };
  };
  if (Array.isArray(given)) {
    for (const text of given) {
      const [, driver = "", key = "", value] = /^([^=]*)=([^=]*)=(.*)$/.exec(String(text)) ?? [];
      add(driver, key, value);
    }
    return found;
  }
  for (const [driver, options] of Object.entries(given ?? {})) {
    if (typeof options !== "object" || options === null) throw bad(given);
    for (const [key, value] of Object.entries(options)) add(driver, key, value);
  }
  return found;
}
