import { BerthError } from "../spec/errors.ts";
import type { Seccomp } from "../spec/runtime-spec.ts";
import { ALWAYS, ARCHITECTURES, ON_ARCHITECTURE, WITH_CAPABILITY } from "./seccomp-table.ts";

/** Whom a profile is for. `architecture` in Go's words. */
export interface SeccompTarget {
  capabilities: readonly string[];
  architecture: string;
}

type Rule = NonNullable<Seccomp["syscalls"]>[number];

const ALLOW = "SCMP_ACT_ALLOW";
const EPERM = 1;
const ENOSYS = 38;
const AF_VSOCK = 40;
/** CLONE_NEW* for cgroup, uts, ipc, user, pid, net and mount: clone(2) may make none of them without CAP_SYS_ADMIN. */
const CLONE_NAMESPACES = 0x7e020000;
/** personality(2): Linux, 32-bit Linux, with uname26, and the query. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/** Berth's default profile: everything not allowed by name fails with EPERM. */
export function defaultSeccomp(target: SeccompTarget): Seccomp {
  const granted = target.capabilities.flatMap((c) => WITH_CAPABILITY[c] ?? []);
  const names = new Set([...ALWAYS, ...granted, ...(ON_ARCHITECTURE[target.architecture] ?? [])]);
  const syscalls: Rule[] = [{ names: [...names], action: ALLOW }];
  syscalls.push({ names: ["socket"], action: ALLOW, args: [{ index: 0, value: AF_VSOCK, op: "SCMP_CMP_NE" }] });
  for (const value of PERSONALITIES) {
    syscalls.push({ names: ["personality"], action: ALLOW, args: [{ index: 0, value, op: "SCMP_CMP_EQ" }] });
  }
  if (!target.capabilities.includes("CAP_SYS_ADMIN")) {
    const index = target.architecture === "s390x" ? 1 : 0;
    syscalls.push({
      names: ["clone"],
      action: ALLOW,
      args: [{ index, value: CLONE_NAMESPACES, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
    });
    // clone3 hides its flags from seccomp: ENOSYS makes the C library use clone.
    syscalls.push({ names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS });
  }
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: EPERM,
    architectures: [...(ARCHITECTURES[target.architecture] ?? [])],
    syscalls,
  };
}

interface ProfileCondition {
  caps?: string[];
  arches?: string[];
}

interface ProfileRule extends Partial<Rule> {
  name?: string;
  includes?: ProfileCondition;
  excludes?: ProfileCondition;
}

interface Profile {
  defaultAction?: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  archMap?: { architecture: string; subArchitectures?: string[] }[];
  syscalls?: ProfileRule[];
}

/** A profile in Docker's JSON format (`--security-opt seccomp=FILE`; the client sends the file's text). */
export function customSeccomp(text: string, target: SeccompTarget): Seccomp | undefined {
  const profile = parse(text);
  // An empty one is no profile.
  if (Object.keys(profile).length === 0) return undefined;
  const own = ARCHITECTURES[target.architecture]?.[0];
  const mapped = profile.archMap?.find((m) => m.architecture === own);
  const architectures =
    profile.architectures ?? (mapped ? [mapped.architecture, ...(mapped.subArchitectures ?? [])] : []);
  return {
    defaultAction: profile.defaultAction ?? "SCMP_ACT_ERRNO",
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures,
    syscalls: (profile.syscalls ?? []).filter((rule) => applies(rule, target)).map(toRule),
  };
}

function parse(text: string): Profile {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Profile;
  } catch (cause) {
    throw new BerthError("invalid-argument", "Decoding seccomp profile failed: not JSON", { cause });
  }
  throw new BerthError("invalid-argument", "Decoding seccomp profile failed: not a JSON object");
}

function applies(rule: ProfileRule, target: SeccompTarget): boolean {
  const hasCap = (c: string): boolean => target.capabilities.includes(c);
  const isArch = (a: string): boolean => a === target.architecture;
  const { includes, excludes } = rule;
  if (includes?.caps?.length && !includes.caps.every(hasCap)) return false;
  if (includes?.arches?.length && !includes.arches.some(isArch)) return false;
  return !excludes?.caps?.some(hasCap) && !excludes?.arches?.some(isArch);
}

function toRule(rule: ProfileRule): Rule {
  return {
    names: rule.names ?? (rule.name ? [rule.name] : []),
    action: rule.action ?? ALLOW,
    ...(rule.errnoRet === undefined ? {} : { errnoRet: rule.errnoRet }),
    ...(rule.args?.length ? { args: rule.args } : {}),
  };
}
