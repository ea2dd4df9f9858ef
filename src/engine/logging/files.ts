import type { LogOptions } from "../../host/monitor-types.ts";
import type { HostConfig } from "../../spec/engine-api.ts";
import { parseSize } from "../../spec/size.ts";
import { containerDir, type EngineDeps } from "../context.ts";
import type { ContainerRecord } from "../record.ts";
import { fileAttributes } from "./attributes.ts";
import { booleanOption } from "./options.ts";
import type { LogConfig } from "./types.ts";

/** Bytes of a log file, and how many files, where nothing else is asked for: rotation is on by default, and so is compression. */
export const LOG_BYTES = 20 * 2 ** 20;
/** As LOG_BYTES. */
export const LOG_FILES = 5;

/** A container's log driver and its options. */
export function logConfigOf(host: HostConfig): LogConfig {
  return { type: host.LogConfig?.Type ?? "json-file", options: host.LogConfig?.Config ?? {} };
}

/** True where the container's own files are the log; false for `none` and for the drivers that send it away. */
export function isFileDriver(type: string): boolean {
  return type === "json-file" || type === "local";
}

/**
 * The files that the monitor writes; undefined for the driver `none`. A driver that sends the log away reads it from such files too: they are what
 * `logs` shows, and what waits while its server is away.
 */
export function logFiles(ctx: EngineDeps, record: ContainerRecord): LogOptions | undefined {
  const { type, options } = logConfigOf(record.hostConfig);
  if (type === "none") return undefined;
  const prefix = isFileDriver(type) ? "" : "cache-";
  const size = parseSize(options[`${prefix}max-size`] ?? String(LOG_BYTES));
  const files = Number(options[`${prefix}max-file`] ?? LOG_FILES);
  // What waits to be sent is told by the number of its file, which a single file does not have.
  const maxFiles = isFileDriver(type) ? files : Math.max(2, files);
  return {
    path: logPathOf(ctx, record.id, type),
    maxSize: size === 0 ? LOG_BYTES : Math.max(0, size),
    maxFiles,
    compress: maxFiles > 1 && booleanOption(options[`${prefix}compress`], true),
    raw: type !== "json-file",
    ...(type === "json-file" ? { attrs: fileAttributes(record, options) } : {}),
  };
}

/** `<dir>/<id>-json.log`, as Docker has it, or a name that does not promise Docker's bytes. */
export function logPathOf(ctx: EngineDeps, id: string, type: string): string {
  const name = type === "json-file" ? `${id}-json.log` : type === "local" ? "local.log" : "cached.log";
  return `${containerDir(ctx, id)}/${name}`;
}

/** What `info` says of the logs of containers that name no driver. */
export function logBound(logDriver: string, logOpts: Record<string, string>): { text: string; warning?: string } {
  if (logDriver === "none") return { text: "none are kept" };
  const prefix = isFileDriver(logDriver) ? "" : "cache-";
  const size = parseSize(logOpts[`${prefix}max-size`] ?? String(LOG_BYTES));
  const files = Number(logOpts[`${prefix}max-file`] ?? LOG_FILES);
  if (size < 0)
    return { text: "without bound", warning: "WARNING: container logs are not bounded (log-opts: max-size)" };
  const isPacked = files > 1 && booleanOption(logOpts[`${prefix}compress`], true);
  const each = size % 2 ** 20 === 0 ? `${size / 2 ** 20}MiB` : `${size}B`;
  return { text: `at most ${files} files of ${each} each${isPacked ? ", rotated ones compressed" : ""}` };
}
