import type { HostConfig } from "../../spec/engine-api.ts";
import { logConfigOf } from "./files.ts";
import { fluentd } from "./fluentd.ts";
import { gelf } from "./gelf.ts";
import { journald } from "./journald.ts";
import { checkCache, checkCommon, checkJsonFile, checkLocal, wrong } from "./options.ts";
import { syslog } from "./syslog.ts";
import type { LogDriver } from "./types.ts";

/** The drivers that send the log away, by name. */
const REMOTE: Record<string, LogDriver> = { fluentd, gelf, journald, syslog };

/** As `info` lists them: Docker leaves out `none`. */
export const LOG_DRIVERS = ["fluentd", "gelf", "journald", "json-file", "local", "syslog"];

/** The driver that sends a container's log away; undefined where its files are all. */
export function remoteDriver(type: string): LogDriver | undefined {
  return Object.hasOwn(REMOTE, type) ? REMOTE[type] : undefined;
}

/** The log driver and its options, which may be the daemon's defaults too. Throws `invalid-argument` in Docker's words. */
export function checkLog(host: HostConfig): void {
  const config = logConfigOf(host);
  const { type, options } = config;
  if (type === "none") return;
  const remote = remoteDriver(type);
  if (!remote && !LOG_DRIVERS.includes(type))
    throw wrong(`error looking up logging plugin ${type}: plugin "${type}" not found`);
  checkCommon(config);
  if (type === "json-file") checkJsonFile(config);
  if (type === "local") checkLocal(config);
  if (!remote) return;
  checkCache(config);
  remote.check(options);
}
