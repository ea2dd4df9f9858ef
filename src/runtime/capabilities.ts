import { BerthError } from "../spec/errors.ts";

/** All capabilities of capabilities(7), in the order of their numbers. */
const ALL = (
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST " +
  "NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE " +
  "SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND " +
  "AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)
  .split(" ")
  .map((name) => `CAP_${name}`);

/** The 14 that a container gets unasked (Docker's default set). */
const DEFAULT =
  "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
    .split(" ")
    .map((name) => `CAP_${name}`);

/** What a person asked for, as in HostConfig. `held` is a mask of capabilities that this engine itself has: others cannot be given. */
export interface CapabilityRequest {
  add: readonly string[];
  drop: readonly string[];
  privileged: boolean;
  held: bigint;
}

/**
 * The capabilities of a container, as `CAP_X` names. `ALL` works in both lists; a named drop wins over ALL in add, a named
 * add over ALL in drop, as in Docker. Throws `invalid-argument` for an unknown name.
 */
export function capabilitySet(request: CapabilityRequest): string[] {
  const held = ALL.filter((_, bit) => (request.held >> BigInt(bit)) & 1n);
  const add = request.add.map(canonical);
  const drop = request.drop.map(canonical);
  const base = request.privileged || add.includes("ALL") ? held : drop.includes("ALL") ? [] : DEFAULT;
  const named = add.filter((name) => name !== "ALL");
  return ALL.filter((name) => (base.includes(name) && !drop.includes(name)) || named.includes(name));
}

function canonical(name: string): string {
  const upper = name.toUpperCase();
  if (upper === "ALL") return upper;
  const full = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  if (ALL.includes(full)) return full;
  throw new BerthError("invalid-argument", `invalid capability: unknown capability "${name.slice(0, 60)}"`, {
    hint: "capabilities(7) lists them, for example NET_ADMIN",
  });
}
