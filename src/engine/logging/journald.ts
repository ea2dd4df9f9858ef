import { existsSync } from "node:fs";
import { BerthError } from "../../spec/errors.ts";
import { extraAttributes } from "./attributes.ts";
import { dialUnixDatagram } from "./dial.ts";
import { ATTRIBUTE_OPTIONS, checkKnown } from "./options.ts";
import { logTag } from "./tag.ts";
import type { LogDriver, LogMessage, LogSource } from "./types.ts";

const SOCKET = "/run/systemd/journal/socket";
const SHORT = 12;
const PRIORITY = { stdout: "6", stderr: "3" } as const;

/** systemd's journal. */
export const journald = journaldAt(SOCKET);

/** A journal whose socket is elsewhere, in the native protocol ("Native Journal Protocol": one datagram an entry). */
export function journaldAt(path: string): LogDriver {
  return {
    check(options) {
      checkKnown({ type: "journald", options }, ATTRIBUTE_OPTIONS);
    },
    async open(source) {
      if (!existsSync(path)) throw new BerthError("internal", "journald is not enabled on this host");
      const channel = dialUnixDatagram(path);
      const encode = encoder(source);
      return {
        send: async (messages) => {
          for (const message of messages) await channel.write(encode(message));
        },
        close: () => channel.close(),
      };
    },
  };
}

function encoder({ record, options }: LogSource): (message: LogMessage) => Buffer {
  const tag = logTag(record, options["tag"] || "{{.ID}}");
  const fixed = {
    CONTAINER_ID: record.id.slice(0, SHORT),
    CONTAINER_ID_FULL: record.id,
    CONTAINER_NAME: record.name,
    CONTAINER_TAG: tag,
    IMAGE_NAME: record.imageName,
    SYSLOG_IDENTIFIER: tag,
    ...extraAttributes(record, options, fieldName),
  };
  const head = Buffer.concat(Object.entries(fixed).map(([name, value]) => field(name, Buffer.from(value))));
  return ({ line, stream, time, partial }) => {
    const more: Record<string, string> = {
      PRIORITY: PRIORITY[stream],
      SYSLOG_TIMESTAMP: time,
      ...partialFields(partial),
    };
    const fields = Object.entries(more).map(([name, value]) => field(name, Buffer.from(value)));
    return Buffer.concat([field("MESSAGE", line), ...fields, head]);
  };
}

function partialFields(partial: LogMessage["partial"]): Record<string, string> {
  if (!partial) return {};
  return {
    ...(partial.last ? {} : { CONTAINER_PARTIAL_MESSAGE: "true" }),
    CONTAINER_PARTIAL_ID: partial.id,
    CONTAINER_PARTIAL_ORDINAL: String(partial.ordinal),
    CONTAINER_PARTIAL_LAST: String(partial.last),
  };
}

/** Text on one line as `NAME=value`; anything else with its length, little-endian. */
function field(name: string, value: Buffer): Buffer {
  if (name === "") return Buffer.alloc(0);
  if (!value.includes(10)) return Buffer.concat([Buffer.from(`${name}=`), value, Buffer.of(10)]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, value, Buffer.of(10)]);
}

/** A journal's field is of capitals, digits and underscores, and does not begin with one, which would be the journal's own. */
function fieldName(name: string): string {
  return name
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, "_")
    .replace(/^_+/, "");
}
