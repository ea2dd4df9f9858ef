import { BerthError, messageOf } from "../../spec/errors.ts";
import type { Container, Run } from "../container.ts";
import { containerDir, type EngineContext } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import { remoteDriver } from "./drivers.ts";
import { logConfigOf, logFiles } from "./files.ts";
import { LogSender } from "./sender.ts";
import type { LogConnection } from "./types.ts";

/** True where a daemon has to stay: a container's log is sent away. */
export function sendsAway(record: ContainerRecord): boolean {
  return remoteDriver(logConfigOf(record.hostConfig).type) !== undefined;
}

/**
 * Before a start: connects with the container's log server, if it has one, so that a wrong address is told at once, in Docker's words. Undefined
 * where nothing is sent, or where the container asked not to wait for it.
 */
export async function connectLog(record: ContainerRecord): Promise<LogConnection | undefined> {
  const { type, options } = logConfigOf(record.hostConfig);
  const driver = remoteDriver(type);
  if (!driver || driver.isAsync?.(options)) return undefined;
  try {
    return await driver.open({ record, options });
  } catch (cause) {
    const words = `failed to create task for container: failed to initialize logging driver: ${messageOf(cause)}`;
    throw new BerthError("internal", words, { cause });
  }
}

/** Sends a container's log, from where the last one that did so stopped: while `run` lasts, or what is left of the past. */
export async function startSending(
  ctx: EngineContext,
  { record }: Container,
  of: { run?: Run; connection?: LogConnection | undefined } = {},
): Promise<void> {
  const { type, options } = logConfigOf(record.hostConfig);
  const driver = remoteDriver(type);
  const files = driver ? logFiles(ctx, record) : undefined;
  if (!driver || !files) return;
  // That of the last run may still be at work.
  await ctx.logSenders.get(record.id)?.stop();
  const sender = new LogSender({
    source: { record, options },
    driver,
    path: files.path,
    positionPath: `${containerDir(ctx, record.id)}/log-sent`,
    ...(of.connection ? { connection: of.connection } : {}),
    warn: (message) => ctx.log("warn", `container ${record.id}: ${message}`),
  });
  ctx.logSenders.set(record.id, sender);
  void sender.done.then(() => {
    if (ctx.logSenders.get(record.id) === sender) ctx.logSenders.delete(record.id);
  });
  if (of.run) void of.run.done.then(() => sender.ended());
  else sender.ended();
}
