import { randomBytes } from "node:crypto";
import { parseDuration } from "../../spec/duration.ts";
import { parseSize } from "../../spec/size.ts";
import { extraAttributes } from "./attributes.ts";
import { dialStream, type StreamAddress } from "./dial.ts";
import { pack } from "./msgpack.ts";
import { ATTRIBUTE_OPTIONS, booleanOption, checkKnown, prefixed, wrong } from "./options.ts";
import { logTag } from "./tag.ts";
import type { LogDriver, LogMessage, LogSource } from "./types.ts";

const OPTIONS = [
  "fluentd-address",
  "fluentd-async",
  "fluentd-async-reconnect-interval",
  "fluentd-buffer-limit",
  "fluentd-max-retries",
  "fluentd-request-ack",
  "fluentd-retry-wait",
  "fluentd-sub-second-precision",
  "fluentd-write-timeout",
];
const HOST = "127.0.0.1";
const PORT = 24224;
const NANOS_PER_MS = 1e6;
const LEAST_INTERVAL_MS = 100;
const MOST_INTERVAL_MS = 10_000;
const ACK_MS = 30_000;
const CHUNK_ID = 16;

/**
 * Fluentd's forward protocol. How long to try again and how much to keep meanwhile follows from the container's own files, so that the options of
 * buffers and retries are checked and change nothing.
 */
export const fluentd: LogDriver = {
  check(options) {
    checkKnown({ type: "fluentd", options }, [...OPTIONS, ...ATTRIBUTE_OPTIONS]);
    for (const name of ["async", "request-ack", "sub-second-precision"])
      booleanOption(options[`fluentd-${name}`], false);
    checkNumbers(options);
    addressOf(options);
  },
  isAsync: (options) => booleanOption(options["fluentd-async"], false),
  async open(source) {
    const wantsAck = booleanOption(source.options["fluentd-request-ack"], false);
    const acks = new Acks();
    const channel = await dialStream(addressOf(source.options), (bytes) => acks.push(bytes));
    const encode = encoder(source);
    return {
      send: async (messages) => {
        if (!wantsAck) return channel.write(Buffer.concat(messages.map((message) => encode(message))));
        for (const message of messages) {
          const chunk = randomBytes(CHUNK_ID).toString("base64");
          await channel.write(encode(message, chunk));
          await acks.wait(chunk);
        }
      },
      close: () => channel.close(),
    };
  },
};

function checkNumbers(options: Record<string, string>): void {
  const {
    "fluentd-buffer-limit": limit,
    "fluentd-retry-wait": wait,
    "fluentd-max-retries": retries,
    "fluentd-async-reconnect-interval": interval,
    "fluentd-write-timeout": timeout,
  } = options;
  if (limit !== undefined) parseSize(limit);
  if (wait !== undefined) milliseconds(wait);
  if (retries !== undefined && !/^\d{1,15}$/.test(retries))
    throw wrong(`strconv.ParseUint: parsing ${JSON.stringify(retries)}: invalid syntax`);
  if (timeout !== undefined)
    prefixed("invalid value for fluentd-write-timeout: value must be a duration", () => milliseconds(timeout));
  if (interval === undefined) return;
  prefixed("invalid value for fluentd-async-reconnect-interval", () => {
    const ms = milliseconds(interval);
    if (ms !== 0 && (ms < LEAST_INTERVAL_MS || ms > MOST_INTERVAL_MS))
      throw wrong(`value (${JSON.stringify(interval)}) must be between 100ms and 10s`);
  });
}

function milliseconds(text: string): number {
  const nanos = parseDuration(text);
  if (typeof nanos === "string") throw wrong(nanos);
  return nanos / NANOS_PER_MS;
}

function addressOf(options: Record<string, string>): StreamAddress {
  const given = options["fluentd-address"] ?? "";
  const bad = (why: string): Error => wrong(`invalid fluentd-address (${given}): ${why}`);
  if (given === "") return { host: HOST, port: PORT };
  const text = given.includes("://") ? given : `tcp://${given}`;
  const [, scheme = "", rest = ""] = /^([^:]*):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme === "unix") {
    if (rest.replace(/^\/+/, "") === "") throw bad("path is empty");
    return { path: rest };
  }
  if (scheme !== "tcp" && scheme !== "tls") throw bad(`unsupported scheme: '${scheme}'`);
  const [where = "", ...path] = rest.split("/");
  if (path.join("/") !== "") throw bad("should not contain a path element");
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?$/.exec(where);
  if (!match) throw bad(`parse ${JSON.stringify(text)}: invalid port ":${where.split(":").at(-1)}" after host`);
  const host = match[1] || match[2] || HOST;
  return { host, port: Number(match[3] || PORT), ...(scheme === "tls" ? { tls: { servername: host } } : {}) };
}

function encoder({ record, options }: LogSource): (message: LogMessage, chunk?: string) => Buffer {
  const tag = logTag(record, options["tag"] || "{{.ID}}");
  const extra = extraAttributes(record, options);
  const isFine = booleanOption(options["fluentd-sub-second-precision"], false);
  return ({ line, stream, time, partial }, chunk) => {
    const seconds = Math.floor(Date.parse(time) / 1000);
    const nanos = Number((/\.(\d+)/.exec(time)?.[1] ?? "").padEnd(9, "0"));
    const data = {
      container_id: record.id,
      container_name: `/${record.name}`,
      source: stream,
      log: line,
      ...extra,
      ...(partial ? partialFields(partial) : {}),
    };
    return pack([tag, isFine ? { seconds, nanos } : seconds, data, ...(chunk === undefined ? [] : [{ chunk }])]);
  };
}

function partialFields({ id, ordinal, last }: NonNullable<LogMessage["partial"]>): Record<string, string> {
  return {
    partial_message: "true",
    partial_id: id,
    partial_ordinal: String(ordinal),
    partial_last: String(last),
  };
}

/** The server's `{"ack": chunk}` answers. A chunk's own text is looked for: it is random, and all else in an answer is fixed. */
class Acks {
  #seen = "";
  #wake: () => void = () => undefined;

  push(bytes: Buffer): void {
    this.#seen = (this.#seen + bytes.toString("latin1")).slice(-4096);
    this.#wake();
  }

  async wait(chunk: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("fluentd did not acknowledge the log")), ACK_MS);
      this.#wake = () => {
        if (!this.#seen.includes(chunk)) return;
        clearTimeout(timer);
        resolve();
      };
      this.#wake();
    });
  }
}
