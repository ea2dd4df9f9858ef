import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import type { Runner, RunResult, RunStep } from "../../build/types.ts";
import { ensureDir, writeAtomic } from "../../host/files.ts";
import type { MonitorHandle } from "../../host/monitor-types.ts";
import { BerthError, messageOf } from "../../spec/errors.ts";
import { StdDemux } from "../../spec/stdcopy.ts";
import { processEnv } from "../container/config.ts";
import { defaultNetwork } from "../container/host-config.ts";
import { hostsText, NETWORK_FILES, networkFileMount } from "../container/network-files.ts";
import type { EngineContext } from "../context.ts";
import { withInitLayer } from "../init-layer.ts";
import { endMonitor } from "../monitors.ts";
import { runtimeFailure } from "../start-error.ts";
import { resolveUser } from "../user.ts";
import { stepHostConfig } from "./limits.ts";

const ID_BYTES = 32;
const SIGKILL = 9;
const SHORT_ID = 12;

/**
 * Runs build steps as containers without a record: own writable layer in `tmp`, network, monitor. A kill of the daemon leaves a state folder
 * that no container owns, which start-up ends and removes, and the layer in `tmp`, which start-up empties.
 */
export function buildRunner(ctx: EngineContext): Runner {
  return { run: (step) => runStep(ctx, step) };
}

async function runStep(ctx: EngineContext, step: RunStep): Promise<RunResult> {
  step.signal?.throwIfAborted();
  const id = randomBytes(ID_BYTES).toString("hex");
  const dir = `${ctx.dataRoot}/tmp/build-${id.slice(0, SHORT_ID)}`;
  const remove = (): Promise<void> => rm(dir, { recursive: true, force: true });
  for (const part of ["upper", "work"]) ensureDir(`${dir}/${part}`);
  try {
    const code = await runIn(ctx, step, { id, dir });
    return { code, upper: `${dir}/upper`, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function runIn(ctx: EngineContext, step: RunStep, own: { id: string; dir: string }): Promise<number> {
  const handle = await launch(ctx, step, own);
  const kill = (): void =>
    void handle.signal(SIGKILL).catch((error: unknown) => ctx.log("warn", `build step: ${messageOf(error)}`));
  try {
    const output = forward(await handle.attach({ stdin: false, stdout: true, stderr: true }), step);
    try {
      await handle.start();
    } catch (error) {
      throw runtimeFailure(error, step.args[0] ?? "").error;
    }
    step.signal?.addEventListener("abort", kill);
    if (step.signal?.aborted) kill();
    const [status] = await Promise.all([handle.exited, output]);
    if (step.signal?.aborted) throw new BerthError("unavailable", "the build was cancelled");
    return status.code;
  } finally {
    step.signal?.removeEventListener("abort", kill);
    await endMonitor(handle);
    await Promise.all([ctx.runtime.cleanup(own.id), ctx.network.detach(own.id)]);
  }
}

async function launch(ctx: EngineContext, step: RunStep, own: { id: string; dir: string }): Promise<MonitorHandle> {
  const { id, dir } = own;
  const mode = !step.network || step.network === "default" ? defaultNetwork(ctx) : step.network;
  const hostname = id.slice(0, SHORT_ID);
  const user = resolveUser(ctx.accounts.of(step.top), step.run.User ?? "");
  const attachment = await ctx.network.attach({
    containerId: id,
    name: `build-${hostname}`,
    hostname,
    mode,
    ports: {},
    dns: ctx.config.dns.dns,
  });
  try {
    writeAtomic(`${dir}/hostname`, `${hostname}\n`);
    writeAtomic(
      `${dir}/hosts`,
      hostsText(
        attachment.ip ? [{ ip: attachment.ip, names: hostname }] : [],
        step.limits?.ExtraHosts ?? [],
        attachment.gateway,
      ),
    );
    writeAtomic(`${dir}/resolv.conf`, ctx.network.resolvConf(mode, ctx.config.dns));
    return await ctx.runtime.launch({
      id,
      config: { Hostname: hostname, Env: step.run.Env ?? [] },
      hostConfig: stepHostConfig(ctx, step.limits, mode),
      args: step.args,
      env: processEnv({ Env: step.run.Env ?? [] }, { hostname, home: user.home, tty: false }),
      cwd: step.run.WorkingDir || "/",
      user,
      hostname,
      rootfs: withInitLayer(ctx, {
        ...ctx.layers.mount(step.top, { upper: `${dir}/upper`, work: `${dir}/work` }),
        volatile: true,
      }),
      mounts: Object.entries(NETWORK_FILES).map(([destination, file]) =>
        networkFileMount(`${dir}/${file}`, { destination, readonly: false }),
      ),
      ...(attachment.netns ? { netns: attachment.netns } : {}),
    });
  } catch (error) {
    await ctx.network.detach(id);
    throw error;
  }
}

async function forward(stream: AsyncIterable<Uint8Array>, step: RunStep): Promise<void> {
  const demux = new StdDemux();
  for await (const chunk of stream)
    for (const { stream: from, data } of demux.push(chunk)) step.output(from === 2 ? "stderr" : "stdout", data);
}
