import type { CreateBody } from "../../api/backend.ts";
import type { ContainerConfig } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import type { ImageRunConfig } from "../../spec/oci.ts";

/** Docker's PATH for images that set none. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A copy without the members that are null: clients send null for what they leave open. */
export function withoutNulls<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== null && v !== undefined)) as T;
}

/**
 * The image's configuration under the container's own, by Docker's rules: an entrypoint of its own also drops the image's Cmd; Env by key,
 * Labels, Volumes and ExposedPorts joined; the rest where the container leaves it open.
 */
export function mergeConfig(body: CreateBody, image: ImageRunConfig): ContainerConfig {
  const { HostConfig: _host, NetworkingConfig: _network, ...rest } = body;
  const own = withoutNulls<ContainerConfig>(rest);
  const ownEntrypoint = own.Entrypoint !== undefined && own.Entrypoint.length > 0;
  const entrypoint = own.Entrypoint ?? image.Entrypoint;
  const cmd = own.Cmd?.length ? own.Cmd : ownEntrypoint ? undefined : image.Cmd;
  return withoutNulls({
    ...own,
    Env: mergeEnv(image.Env ?? [], own.Env ?? []),
    // [""] is how a client says "none at all".
    Entrypoint: own.Entrypoint?.length === 1 && own.Entrypoint[0] === "" ? undefined : entrypoint,
    Cmd: cmd,
    User: own.User || image.User || "",
    WorkingDir: own.WorkingDir || image.WorkingDir || "",
    Labels: { ...image.Labels, ...own.Labels },
    Volumes: joined(image.Volumes, own.Volumes),
    ExposedPorts: joined(image.ExposedPorts, own.ExposedPorts),
    StopSignal: own.StopSignal || image.StopSignal,
    Healthcheck: mergeHealth(own.Healthcheck, image.Healthcheck),
    Shell: own.Shell ?? image.Shell,
    OnBuild: image.OnBuild,
  } as ContainerConfig);
}

/** The words to run; throws in Docker's words where there are none. */
export function argvOf(config: ContainerConfig): string[] {
  const argv = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (argv.length === 0) throw new BerthError("invalid-argument", "no command specified");
  return argv;
}

/** `under` with `over`'s variables put in place of those of the same name, new ones at the end. A word without "=" takes its name away. */
export function mergeEnv(under: readonly string[], over: readonly string[]): string[] {
  const key = (word: string): string => word.split("=", 1)[0] ?? "";
  const keys = new Set(over.map(key));
  // Docker puts the container's own variables first.
  return [...over, ...under.filter((word) => !keys.has(key(word)))];
}

function joined(a: object | null | undefined, b: object | null | undefined): object | undefined {
  const all = { ...a, ...b };
  return Object.keys(all).length > 0 ? all : undefined;
}

function mergeHealth(own: ContainerConfig["Healthcheck"], image: ImageRunConfig["Healthcheck"]): object | undefined {
  if (!own) return image;
  if (!image) return own;
  const filled = { ...image, ...Object.fromEntries(Object.entries(own).filter(([, v]) => v)) };
  return own.Test?.length ? filled : { ...filled, Test: image.Test };
}

/** The environment that the process gets: HOSTNAME, HOME and, on a terminal, TERM first; then the configured one. Words without "=" are dropped. */
export function processEnv(
  config: ContainerConfig,
  context: { hostname: string; home: string; tty: boolean },
): string[] {
  const base = [
    `PATH=${DEFAULT_PATH}`,
    `HOSTNAME=${context.hostname}`,
    ...(context.tty ? ["TERM=xterm"] : []),
    `HOME=${context.home}`,
  ];
  const own = (config.Env ?? []).filter((word) => word.includes("="));
  const keys = new Set(own.map((word) => word.split("=", 1)[0]));
  return [...base.filter((word) => !keys.has(word.split("=", 1)[0])), ...own];
}
