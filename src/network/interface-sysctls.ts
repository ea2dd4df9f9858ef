import { run } from "../host/spawn.ts";
import { BerthError } from "../spec/errors.ts";

/** Docker's option of an endpoint: `net.ipv4.conf.IFNAME.log_martians=1,…`. */
const OPTION = "com.docker.network.endpoint.sysctls";
const SYSCTL = /^net\.(ipv4|ipv6|mpls)\.([a-z0-9_]+)\.ifname\.([a-z0-9_]+)=([^\n\0]*)$/i;
/** The interface's place in a path. */
const IFNAME = "IFNAME";
/** Names and values as arguments: nothing of them is read as a script. */
const SET = `while [ $# -gt 0 ]; do
  [ -f "$1" ] || { echo "$1 is not a sysctl file" >&2; exit 1; }
  printf %s "$2" >"$1"; shift 2
done`;

/** Kernel parameters of one interface: a path below /proc/sys/net with IFNAME in it, and a value. */
export type InterfaceSysctl = [path: string, value: string];

/** The kernel parameters among an endpoint's options. Throws `invalid-argument` in Docker's words. */
export function readSysctls(options: Record<string, string> = {}): InterfaceSysctl[] {
  const text = options[OPTION] ?? "";
  if (text === "") return [];
  return text.split(",").map((one) => {
    const [, family = "", kind = "", name = "", value = ""] = SYSCTL.exec(one) ?? [];
    if (family !== "") return [[family, kind, IFNAME, name].join("/").toLowerCase().replace("ifname", IFNAME), value];
    const shape = "represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'";
    throw new BerthError("invalid-argument", `unrecognised network interface sysctl '${one.slice(0, 100)}'; ${shape}`);
  });
}

/** Sets them for `dev`. `prefix` enters its namespace. Throws `invalid-argument` for one that the kernel has not, or a value that it does not take. */
export async function setSysctls(dev: string, sysctls: InterfaceSysctl[], prefix: string[]): Promise<void> {
  if (sysctls.length === 0) return;
  const words = sysctls.flatMap(([path, value]) => [`/proc/sys/net/${path.replace(IFNAME, dev)}`, value]);
  const { code, stderr } = await run([...prefix, "sh", "-ec", SET, "sh", ...words]);
  if (code === 0) return;
  const why =
    stderr
      .trim()
      .split("\n")[0]
      ?.replace(/^sh: (\d+: )?/, "") || "failed";
  throw new BerthError("invalid-argument", `failed to add interface ${dev} to sandbox: ${why}`);
}
