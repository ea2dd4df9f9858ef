import { posix } from "node:path";
import type { ImageRunConfig } from "../spec/oci.ts";
import { parseSignal } from "../spec/signals.ts";
import type { Command, HealthcheckNode, Instruction, Pair } from "./dockerfile/syntax.ts";
import { exposedPorts } from "./ports.ts";

/** The shell of shell forms where SHELL says nothing. */
export const DEFAULT_SHELL: readonly string[] = ["/bin/sh", "-c"];

/**
 * What an expanded instruction changes in an image's configuration, as a new value; instructions that change nothing there give back `run`.
 * `cmdSet`: a CMD came before in this Dockerfile, so that ENTRYPOINT leaves it. Throws `invalid-argument` for a bad port or signal.
 */
export function applyConfig(run: ImageRunConfig, node: Instruction, options: { cmdSet: boolean }): ImageRunConfig {
  switch (node.keyword) {
    case "CMD":
      return { ...run, Cmd: argv(node.command, run) };
    case "ENTRYPOINT": {
      const { Cmd, ...rest } = run;
      return { ...rest, Entrypoint: argv(node.command, run), ...(options.cmdSet && Cmd ? { Cmd } : {}) };
    }
    case "ENV":
      return { ...run, Env: withEnv(run.Env ?? [], node.pairs) };
    case "LABEL":
      return { ...run, Labels: { ...run.Labels, ...Object.fromEntries(node.pairs.map(keyValue)) } };
    case "EXPOSE": {
      const ports = node.values.flatMap((v) => exposedPorts(v.text));
      return { ...run, ExposedPorts: { ...run.ExposedPorts, ...keys(ports) } };
    }
    case "VOLUME":
      return { ...run, Volumes: { ...run.Volumes, ...keys(node.values.map((v) => v.text)) } };
    case "USER":
      return { ...run, User: node.value.text };
    case "WORKDIR":
      return { ...run, WorkingDir: posix.resolve("/", run.WorkingDir ?? "/", node.value.text) };
    case "SHELL":
      return { ...run, Shell: [...node.args] };
    case "STOPSIGNAL":
      parseSignal(node.value.text);
      return { ...run, StopSignal: node.value.text };
    case "HEALTHCHECK":
      return { ...run, Healthcheck: healthcheck(node) };
    case "ONBUILD":
      return { ...run, OnBuild: [...(run.OnBuild ?? []), triggerText(node.trigger)] };
    default:
      return run;
  }
}

/** A command as an argument vector; shell forms run under the image's SHELL. */
export function argv(command: Command, run: ImageRunConfig): string[] {
  return command.form === "exec" ? [...command.args] : [...(run.Shell ?? DEFAULT_SHELL), command.text];
}

/** The environment with the pairs set, in the place of what had their names. */
export function withEnv(env: readonly string[], pairs: readonly Pair[]): string[] {
  const out = new Map(env.map((line) => [line.split("=", 1)[0] ?? "", line]));
  for (const pair of pairs) {
    const [key, value] = keyValue(pair);
    out.set(key, `${key}=${value}`);
  }
  return [...out.values()];
}

/** The value of a variable in an environment. */
export function envValue(env: readonly string[] | undefined, name: string): string | undefined {
  return env?.findLast((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** A trigger as it is stored: its text with its here-documents below it. */
function triggerText(trigger: Instruction): string {
  return [trigger.text, ...trigger.heredocs.map((h) => `${h.content}${h.name}`)].join("\n");
}

function healthcheck(node: HealthcheckNode): NonNullable<ImageRunConfig["Healthcheck"]> {
  const { command } = node;
  if (!command) return { Test: ["NONE"] };
  return {
    Test: command.form === "exec" ? ["CMD", ...command.args] : ["CMD-SHELL", command.text],
    ...(node.interval ? { Interval: node.interval } : {}),
    ...(node.timeout ? { Timeout: node.timeout } : {}),
    ...(node.startPeriod ? { StartPeriod: node.startPeriod } : {}),
    ...(node.startInterval ? { StartInterval: node.startInterval } : {}),
    ...(node.retries ? { Retries: node.retries } : {}),
  };
}

function keyValue(pair: Pair): [string, string] {
  return [pair.key.text, pair.value?.text ?? ""];
}

function keys(names: string[]): Record<string, object> {
  return Object.fromEntries(names.map((n) => [n, {}]));
}
