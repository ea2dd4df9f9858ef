import { createHash, randomBytes } from "node:crypto";
import type { LayerRecord } from "../layer/types.ts";
import { BerthError } from "../spec/errors.ts";
import type { ImageRunConfig } from "../spec/oci.ts";
import { PROXY_ARGS } from "./args.ts";
import { argv, DEFAULT_SHELL, envValue } from "./config.ts";
import type { CommandNode } from "./dockerfile/syntax.ts";
import type { Session, StageState } from "./state.ts";
import type { RunStep } from "./types.ts";

/** A RUN ready to go. `command` is its argument vector; `args` are the build arguments it sees, as history shows them. */
export interface RunJob {
  key: unknown[];
  command: string[];
  args: string[];
  make: () => Promise<LayerRecord>;
}

const NETWORKS = ["default", "none", "host"];
/** Docker shows what comes on standard error in red, terminal or not. */
const RED = "\x1b[91m";
const PLAIN = "\x1b[0m";
const SHEBANG = /^#!/;

/** Reads a RUN: what runs, with which environment, and what its result depends on. Proxy arguments are seen but never noted. */
export function prepareRun(node: CommandNode, session: Session, state: StageState): RunJob {
  const unsupported = node.flags.find((f) => f.name !== "network");
  if (unsupported)
    throw new BerthError(
      "not-implemented",
      `the --${unsupported.name} option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ to learn how to build images with BuildKit enabled`,
    );
  const network = node.flags.find((f) => f.name === "network")?.value;
  if (network && !NETWORKS.includes(network)) {
    throw new BerthError("invalid-argument", `unsupported network mode: ${network}`, { hint: NETWORKS.join(", ") });
  }
  const args = commandLine(node, state.run);
  const hidden = (name: string): boolean => envValue(state.run.Env, name) !== undefined;
  const seen = [...state.args].map(([name, value]) => `${name}=${value}`);
  const proxies = PROXY_ARGS.flatMap((name) => {
    const value = session.options.buildArgs[name];
    return value && !hidden(name) && !state.args.has(name) ? [`${name}=${value}`] : [];
  });
  const env = (state.run.Env ?? []).filter((line) => !state.args.has(line.split("=", 1)[0] ?? ""));
  const run = { ...state.run, Env: [...env, ...seen, ...proxies] };
  const mode = network === "default" || !network ? session.options.network : network;
  const { User, WorkingDir } = state.run;
  const key = [state.top ?? null, args, state.run.Env ?? [], seen, User ?? "", WorkingDir ?? "", mode ?? ""];
  const shown = state.declared
    .filter((name) => !PROXY_ARGS.includes(name))
    .map((name) => `${name}=${state.args.get(name) ?? envValue(state.run.Env, name) ?? ""}`);
  return { key, command: args, args: shown, make: () => execute({ args, run, mode }, session, state) };
}

async function execute(
  what: { args: string[]; run: ImageRunConfig; mode: string | undefined },
  session: Session,
  state: StageState,
): Promise<LayerRecord> {
  const { options, deps, emit } = session;
  const id = randomBytes(6).toString("hex");
  emit({ stream: ` ---> Running in ${id}\n` });
  await using result = await deps.runner.run({
    ...(state.top ? { top: state.top } : {}),
    args: what.args,
    run: what.run,
    ...(what.mode ? { network: what.mode } : {}),
    ...(options.limits ? { limits: options.limits } : {}),
    output: outputOf(session),
    ...(options.signal ? { signal: options.signal } : {}),
  });
  options.signal?.throwIfAborted();
  const removed = ` ---> Removed intermediate container ${id}\n`;
  if (result.code !== 0) {
    if (options.forceRemove) emit({ stream: removed });
    throw new BerthError(
      "invalid-argument",
      `The command '${what.args.join(" ")}' returned a non-zero code: ${result.code}`,
      { cause: { code: result.code } },
    );
  }
  const layer = await deps.layers.commit(result.upper, {
    ...(state.top ? { parent: state.top } : {}),
    hold: session.hold,
    move: true,
  });
  if (options.keep !== true) emit({ stream: removed });
  return layer;
}

/** Text of both streams as it comes. What the client is too slow for is left out, with a line that says so. */
function outputOf(session: Session): RunStep["output"] {
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  let clipped = false;
  return (stream, bytes) => {
    const text = decoders[stream].decode(bytes, { stream: true });
    if (text === "") return;
    const notice = clipped ? "\n[output clipped: the client reads too slowly]\n" : "";
    clipped = !session.output(notice + (stream === "stderr" ? `${RED}${text}${PLAIN}` : text));
  };
}

/** The argument vector. A command that is one here-document runs its text; otherwise the text goes to the shell with its documents below it. */
function commandLine(node: CommandNode, run: ImageRunConfig): string[] {
  const { command, heredocs } = node;
  const [first] = heredocs;
  if (command.form === "exec" || !first) return argv(command, run);
  if (heredocs.length === 1 && /^\d*<<-?\S+$/.test(command.text)) {
    return SHEBANG.test(first.content)
      ? [...DEFAULT_SHELL, scriptRunner(first.content)]
      : argv({ form: "shell", text: first.content }, run);
  }
  const text = [command.text, ...heredocs.flatMap((h) => [`${h.content}${h.name}`])].join("\n");
  return argv({ form: "shell", text: `${text}\n` }, run);
}

/** A shell command that runs a script with an interpreter line, from a file that is gone afterwards. */
function scriptRunner(script: string): string {
  const end = `END_${createHash("sha256").update(script).digest("hex").slice(0, 16)}`;
  const body = `f="$(mktemp)" || exit\ncat >"$f" <<'${end}'\n${script}${end}\n`;
  return `${body}chmod 700 "$f"; "$f"; c=$?; rm -f "$f"; exit $c\n`;
}
