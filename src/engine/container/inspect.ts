import type { ContainerConfig, ContainerInspectResponse, ContainerState, HostConfig } from "../../spec/engine-api.ts";
import { once } from "../../spec/once.ts";
import type { Container } from "../container.ts";
import { containerDir, type EngineContext } from "../context.ts";
import { logConfigOf, logPathOf } from "../logging/files.ts";
import type { ContainerRecord } from "../record.ts";
import { renderHostConfig } from "./host-config.ts";
import { shownLinks } from "./links.ts";
import { filesOwner } from "./modes.ts";
import { mountPoints } from "./mounts.ts";
import { networkSettings } from "./networks-view.ts";
import { sizesOf } from "./sizes.ts";
import { formatTime, shownHealth, shownStatus } from "./status.ts";

/** `GET /containers/{id}/json` in Docker's exact shape. */
export async function inspectContainer(
  ctx: EngineContext,
  reference: string,
  options: { size: boolean },
): Promise<ContainerInspectResponse> {
  const container = ctx.containers.find(reference);
  const { record } = container;
  const [path = "", ...args] = record.argv;
  const dir = containerDir(ctx, filesOwner(ctx, record).id);
  const ran = record.state.startedAt !== 0;
  return {
    Id: record.id,
    Created: formatTime(record.created),
    Path: path,
    Args: args,
    State: shownState(container),
    Image: record.image,
    ResolvConfPath: ran ? `${dir}/resolv.conf` : "",
    HostnamePath: ran ? `${dir}/hostname` : "",
    HostsPath: ran ? `${dir}/hosts` : "",
    LogPath: ran && logConfigOf(record.hostConfig).type === "json-file" ? logPathOf(ctx, record.id, "json-file") : "",
    Name: `/${record.name}`,
    RestartCount: record.state.restartCount,
    Driver: "overlay2",
    Platform: "linux",
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: "",
    ExecIDs: execIds(ctx, container),
    HostConfig: hostConfigOf(ctx, record),
    GraphDriver: graphDriver(ctx, container),
    ...(options.size ? await sizesOf(ctx, record) : {}),
    Mounts: mountPoints(record),
    Config: once(CONFIGS, record.config, renderConfig),
    NetworkSettings: networkSettings(ctx, record),
  };
}

/** Links are shown by the names of now. */
function hostConfigOf(ctx: EngineContext, record: ContainerRecord): HostConfig {
  const shown = once(HOST_CONFIGS, record.hostConfig, renderHostConfig);
  const links = shownLinks(ctx, record);
  return links ? { ...shown, Links: links } : shown;
}

/** What is shown of a record's members, which never change: a change makes a new one. */
const HOST_CONFIGS = new WeakMap<HostConfig, HostConfig>();
const CONFIGS = new WeakMap<ContainerConfig, ContainerConfig>();

function shownState(container: Container): ContainerState {
  const { state } = container.record;
  const health = shownHealth(container);
  const status = shownStatus(container);
  return {
    Status: status,
    Running: status === "running" || status === "paused" || status === "restarting",
    Paused: status === "paused",
    Restarting: status === "restarting",
    OOMKilled: state.oomKilled,
    Dead: false,
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: formatTime(state.startedAt),
    FinishedAt: formatTime(state.finishedAt),
    ...(health ? { Health: { Status: health.status, FailingStreak: health.failingStreak, Log: health.log } } : {}),
  };
}

/** Running execs; null where there are none, as Docker has it. */
function execIds(ctx: EngineContext, container: Container): string[] | null {
  const ids = [...container.execs].filter((id) => ctx.execs.get(id)?.state === "running");
  return ids.length > 0 ? ids : null;
}

function graphDriver(ctx: EngineContext, container: Container): NonNullable<ContainerInspectResponse["GraphDriver"]> {
  const { id, top } = container.record;
  const dir = containerDir(ctx, id);
  const { base, lower } = ctx.layers.mount(top);
  return {
    Data: {
      ID: id,
      LowerDir: lower.map((name) => `${base}/${name}`).join(":"),
      MergedDir: `${ctx.execRoot}/containers/${id}/rootfs`,
      UpperDir: `${dir}/upper`,
      WorkDir: `${dir}/work`,
    },
    Name: "overlay2",
  };
}

function renderConfig(config: ContainerConfig): ContainerConfig {
  const shown = {
    Hostname: "",
    Domainname: "",
    User: "",
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Env: [],
    Cmd: null,
    Image: "",
    Volumes: null,
    WorkingDir: "",
    Entrypoint: null,
    OnBuild: null,
    Labels: {},
    ...config,
  };
  // The specification's type has no null for the members that Docker shows as null.
  return shown as unknown as ContainerConfig;
}
