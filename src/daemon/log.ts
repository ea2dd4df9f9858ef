import { LOG_LEVELS, type LogLevel } from "./config.ts";

/** Writes one line of the daemon's log. */
export type Logger = (level: LogLevel, message: string) => void;

/** A logger on stderr: time (RFC 3339), level, message, one line each; what is below `level()` is left out. */
export function stderrLogger(level: () => LogLevel): Logger {
  return (at, message) => {
    if (LOG_LEVELS.indexOf(at) < LOG_LEVELS.indexOf(level())) return;
    process.stderr.write(`${new Date().toISOString()} ${at} ${message.replaceAll("\n", " ")}\n`);
  };
}
