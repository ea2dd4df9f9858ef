import type { Command } from "../command.ts";
import type { Context } from "../context.ts";
import type { Answer, Candidate } from "./complete.ts";
import { ask, type Thing } from "./things.ts";

const only = (values: readonly string[]): Answer => ({
  candidates: values.map((value) => ({ value })),
  directive: "NoFileComp",
});
const FILES: Answer = { candidates: [], directive: "Default" };
const FOLDERS: Answer = { candidates: [], directive: "FilterDirs" };
const NOTHING: Answer = { candidates: [], directive: "NoFileComp" };

const SIGNALS =
  "ABRT ALRM BUS CHLD CONT FPE HUP ILL INT IO KILL PIPE PROF PWR QUIT SEGV STOP TERM TRAP TSTP TTIN TTOU URG USR1 USR2 WINCH";
const CAPABILITIES =
  "ALL CAP_AUDIT_CONTROL CAP_AUDIT_READ CAP_AUDIT_WRITE CAP_BLOCK_SUSPEND CAP_BPF CAP_CHECKPOINT_RESTORE CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_IPC_LOCK CAP_IPC_OWNER CAP_KILL CAP_LEASE CAP_LINUX_IMMUTABLE CAP_MAC_ADMIN CAP_MAC_OVERRIDE CAP_MKNOD CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_RAW CAP_PERFMON CAP_SETFCAP CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYSLOG CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_CHROOT CAP_SYS_MODULE CAP_SYS_NICE CAP_SYS_PACCT CAP_SYS_PTRACE CAP_SYS_RAWIO CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_WAKE_ALARM";

/** Flags with a fixed choice of values. */
const CHOICES: Record<string, string> = {
  "cap-add": CAPABILITIES,
  "cap-drop": CAPABILITIES,
  cgroupns: "host private",
  driver: "bridge host local none",
  format: "json table",
  "log-driver": "fluentd gelf journald json-file local none syslog",
  platform: "linux/386 linux/amd64 linux/arm linux/arm64 linux/ppc64le linux/riscv64 linux/s390x",
  pull: "always missing never",
  restart: "always no on-failure unless-stopped",
  signal: SIGNALS,
  "stop-signal": SIGNALS,
  type: "container image network plugin volume",
  userns: "host",
  uts: "host",
  "volume-driver": "local",
};

/** Flags whose value goes on behind what is completed. */
const BEGINNINGS: Record<string, string> = {
  ipc: "container: host none private shareable",
  mount: "type=bind type=image type=tmpfs type=volume",
  pid: "container: host",
  "security-opt": "apparmor= label= no-new-privileges seccomp= systempaths=unconfined",
  "storage-opt": "size=",
};

const FILE_FLAGS = new Set(
  "cidfile config device env-file file iidfile input label-file output tlscacert tlscert tlskey volume".split(" "),
);
const FOLDER_FLAGS = new Set(["checkpoint-dir", "dir"]);
const THING_FLAGS: Record<string, Thing> = {
  link: "container",
  network: "network",
  net: "network",
  "volumes-from": "container",
};

/** What the value of a flag may be. */
export async function flagValues(flag: string, context: () => Context): Promise<Answer> {
  const choice = CHOICES[flag];
  if (choice !== undefined) return only(choice.split(" "));
  const beginning = BEGINNINGS[flag];
  if (beginning !== undefined) return { ...only(beginning.split(" ")), directive: "NoSpace" };
  if (FILE_FLAGS.has(flag)) return FILES;
  if (FOLDER_FLAGS.has(flag)) return FOLDERS;
  const thing = THING_FLAGS[flag];
  if (thing) return { candidates: await ask(context, thing, ""), directive: "NoFileComp" };
  if (flag === "env" || flag === "build-arg") {
    return { candidates: Object.keys(context().env).map((value) => ({ value })), directive: "Default" };
  }
  return NOTHING;
}

/** The states that a command's containers can be in; other commands take all. */
const STATES: Record<string, readonly string[]> = {
  attach: ["running"],
  exec: ["running"],
  kill: ["running", "paused", "restarting"],
  pause: ["running"],
  start: ["created", "exited"],
  stop: ["running", "paused", "restarting"],
  top: ["running", "paused"],
  unpause: ["paused"],
};

interface Position {
  command: Command;
  words: readonly string[];
  /** The arguments before the one that is asked for. */
  args: readonly string[];
  last: string;
}

/** What the next argument may be. The usage line tells what each is: `CONTAINER`, `IMAGE`, `NETWORK`, … */
export async function argumentValues(at: Position, context: () => Context): Promise<Answer> {
  const name = argumentName(at.command.usage, at.args.length);
  const verb = at.words.at(-1) ?? "";
  if (name === "") return NOTHING;
  if (/CONTAINER:/.test(name)) return copyEnd(at.last, context);
  const things = thingsOf(name, at.words);
  if (things.length > 0) {
    const states = STATES[verb];
    const found = await Promise.all(things.map((thing) => ask(context, thing, at.last, states)));
    const fresh = found.flat().filter(({ value }) => !at.args.includes(value));
    return { candidates: unique(fresh), directive: "NoFileComp" };
  }
  if (/PATH|FILE|file|-DIR/.test(name)) return FILES;
  return /COMMAND|ARG/.test(name) ? FILES : NOTHING;
}

/** The name in the usage line of the argument number `at`; "" behind the last. */
function argumentName(usage: string, at: number): string {
  const names = usage
    .replace(/\[?OPTIONS\]?/, "")
    .trim()
    .split(/\s+(?![^[]*\]\s*$)|\s+/)
    .filter((name) => name !== "" && name !== "|" && name !== "-" && name !== "URL");
  const repeats = names.at(-1)?.includes("...") ?? false;
  return names[at] ?? (repeats ? (names.at(-1) ?? "") : "");
}

const THINGS: [RegExp, Thing][] = [
  [/CONTAINER/, "container"],
  [/IMAGE|REPOSITORY/, "image"],
  [/NETWORK/, "network"],
  [/VOLUME/, "volume"],
  [/PLUGIN/, "plugin"],
];

function thingsOf(name: string, words: readonly string[]): Thing[] {
  if (/NAME\|ID/.test(name)) return THINGS.map(([, thing]) => thing);
  if (/^NAME/.test(name)) return words.at(-1) === "push" ? ["image"] : [];
  // What is about to be made has no name yet.
  const fresh = ["create", "install"].includes(words.at(-1) ?? "") && words.length > 1 && words[0] !== "container";
  if (fresh) return [];
  return THINGS.flatMap(([pattern, thing]) => (pattern.test(name) ? [thing] : []));
}

/** An end of `cp`: `NAME:` goes on with a path, anything else may be a file. */
async function copyEnd(last: string, context: () => Context): Promise<Answer> {
  if (last.includes("/") || last.includes(":")) return FILES;
  const found = await ask(context, "container", last);
  return { candidates: found.map((c) => ({ ...c, value: `${c.value}:` })), directive: "NoSpace" };
}

function unique(candidates: readonly Candidate[]): Candidate[] {
  return [...new Map(candidates.map((c) => [c.value, c])).values()];
}
