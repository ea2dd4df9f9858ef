import { randomBytes } from "node:crypto";
import type { ExecCreateBody } from "../../api/backend.ts";
import { prepareMove } from "../../host/cgroup-move.ts";
import { BerthError } from "../../spec/errors.ts";
import { mergeEnv, processEnv } from "../container/config.ts";
import { linkedEnvNow } from "../container/links.ts";
import { hostnameOf } from "../container/network-files.ts";
import { type Container, refuseRestarting, runningOf } from "../container.ts";
import { containerDir, type EngineContext } from "../context.ts";
import { emitContainer } from "../events.ts";
import { signal } from "../lock.ts";
import { parseDetachKeys } from "../splice.ts";
import { resolveUser } from "../user.ts";
import type { Exec } from "./state.ts";

const ID_BYTES = 32;
const KEPT = 50;
/** So many more are made before the old ones are looked for. */
const SLACK = 16;

/** Makes an exec in a running container; nothing runs yet. Throws `conflict` where the container does not run. */
export function createExec(ctx: EngineContext, reference: string, body: ExecCreateBody): Exec {
  if (!body.Cmd?.length || body.Cmd[0] === "") throw new BerthError("invalid-argument", "No exec command specified");
  const container = ctx.containers.find(reference);
  refuseUnready(container, reference);
  runningOf(container);
  if (body.WorkingDir && !body.WorkingDir.startsWith("/")) {
    throw new BerthError(
      "invalid-argument",
      `the working directory '${body.WorkingDir}' is invalid, it needs to be an absolute path`,
    );
  }
  if (body.DetachKeys && !parseDetachKeys(body.DetachKeys)) {
    throw new BerthError("invalid-argument", `Invalid escape keys (${body.DetachKeys}) provided`);
  }
  prepareMove();
  const exec = execOf(ctx, container, { ...body, Cmd: body.Cmd });
  forgetOld(ctx, container);
  ctx.execs.set(exec.id, exec);
  container.execs.add(exec.id);
  emitContainer(ctx.events, container, `exec_create: ${exec.argv.join(" ")}`, { execID: exec.id });
  return exec;
}

/** Throws `conflict` in Docker's words for a container that is paused or waits for its restart. */
export function refuseUnready(container: Container, reference: string): void {
  refuseRestarting(container);
  if (container.record.state.paused)
    throw new BerthError("conflict", `Container ${reference} is paused, unpause the container before exec`);
}

/** Ended execs can be inspected for a while: at least the last fifty of a container. */
function forgetOld(ctx: EngineContext, container: Container): void {
  if (container.execs.size < KEPT + SLACK) return;
  const ended = [...container.execs].filter((id) => ctx.execs.get(id)?.state !== "running");
  for (const id of ended.slice(0, Math.max(0, ended.length - KEPT))) {
    ctx.execs.delete(id);
    container.execs.delete(id);
  }
}

/** The exec with everything resolved against its container. Throws in Docker's words for an unknown user. */
export function execOf(ctx: EngineContext, container: Container, body: ExecCreateBody & { Cmd: string[] }): Exec {
  const { record } = container;
  const accounts = ctx.accounts.of(record.top, `${containerDir(ctx, record.id)}/upper`);
  const userText = body.User || record.config.User || "";
  const user = resolveUser(accounts, userText, record.hostConfig.GroupAdd ?? []);
  const tty = body.Tty === true;
  const config = { ...record.config, Env: mergeEnv(linkedEnvNow(ctx, record), body.Env ?? []) };
  const [rows = 0, cols = 0] = body.ConsoleSize ?? [];
  return {
    id: randomBytes(ID_BYTES).toString("hex"),
    containerId: record.id,
    argv: body.Cmd,
    env: processEnv(config, { hostname: hostnameOf(record), home: user.home, tty }),
    cwd: body.WorkingDir || record.config.WorkingDir || "/",
    user,
    userText: body.User ?? "",
    tty,
    privileged: body.Privileged === true,
    attach: {
      stdin: body.AttachStdin === true,
      stdout: body.AttachStdout === true,
      stderr: body.AttachStderr === true,
    },
    detachKeys: body.DetachKeys ?? "",
    ...(rows > 0 && cols > 0 ? { consoleSize: { rows, cols } } : {}),
    state: "created",
    ready: signal(),
  };
}
