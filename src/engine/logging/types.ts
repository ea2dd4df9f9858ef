import type { ContainerRecord } from "../record.ts";

/** A container's log driver and its options. */
export interface LogConfig {
  type: string;
  options: Record<string, string>;
}

/** One line of a container's output, or a piece of a line longer than 16 KiB. */
export interface LogMessage {
  /** Without its newline. */
  line: Buffer;
  stream: "stdout" | "stderr";
  /** RFC 3339 in UTC, up to nine digits of a second. */
  time: string;
  /** The piece's place in its line, from 1 on. */
  partial?: { id: string; ordinal: number; last: boolean };
}

/** Whose log is sent, and how. */
export interface LogSource {
  record: ContainerRecord;
  options: Record<string, string>;
}

/**
 * A connection with a log server. `send` resolves when all was handed over, in order; once it has rejected, the connection is of no more use, and
 * how much of the messages went is not known.
 */
export interface LogConnection {
  send(messages: LogMessage[]): Promise<void>;
  close(): void;
}

/** A driver that sends the log away. */
export interface LogDriver {
  /** Throws `invalid-argument` in Docker's words. Options that all drivers have are not among these. */
  check(options: Record<string, string>): void;
  /** Rejects in Go's words where the server cannot be reached. */
  open(source: LogSource): Promise<LogConnection>;
  /** Containers start whether or not the server can be reached. */
  isAsync?(options: Record<string, string>): boolean;
}
