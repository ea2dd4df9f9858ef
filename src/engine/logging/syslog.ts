import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import type { ConnectionOptions } from "node:tls";
import { BerthError, errnoOf, messageOf } from "../../spec/errors.ts";
import { type Channel, dialStream, dialUdp, dialUnixDatagram } from "./dial.ts";
import { ATTRIBUTE_OPTIONS, checkKnown, wrong } from "./options.ts";
import { logTag } from "./tag.ts";
import type { LogDriver, LogMessage, LogSource } from "./types.ts";

const OPTIONS = ["syslog-address", "syslog-facility", "syslog-format"];
const TLS_OPTIONS = ["syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key", "syslog-tls-skip-verify"];
const SCHEMES = ["udp", "tcp", "tcp+tls", "unix", "unixgram"];
const PORT = 514;
/** Where a host's own syslog listens (syslog(3), and what Go's library tries). */
const LOCAL = ["/dev/log", "/var/run/syslog", "/var/run/log"];
const FACILITIES = (
  "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp security console solaris-cron " +
  "local0 local1 local2 local3 local4 local5 local6 local7"
).split(" ");
/** Docker's table leaves the four after `ftp` out. */
const UNNAMED = new Set(["ntp", "security", "console", "solaris-cron"]);
const DAEMON = 3;
const SEVERITY = { stdout: 6, stderr: 3 } as const;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** RFC 3164 and RFC 5424, over unix sockets, UDP, TCP and TLS, byte for byte as Docker writes them. */
export const syslog: LogDriver = {
  check(options) {
    checkKnown({ type: "syslog", options }, [...OPTIONS, ...TLS_OPTIONS, ...ATTRIBUTE_OPTIONS]);
    addressOf(options);
    facilityOf(options);
    if (!["", "rfc3164", "rfc5424", "rfc5424micro"].includes(options["syslog-format"] ?? ""))
      throw wrong("Invalid syslog format");
  },
  async open(source) {
    const channel = await dial(source.options);
    const format = formatter(source);
    // One write for many messages where the transport is a stream.
    const isStream = channel.isStream;
    return {
      send: async (messages) => {
        const lines = messages.map(format);
        if (isStream) return channel.write(Buffer.concat(lines));
        for (const line of lines) await channel.write(line);
      },
      close: () => channel.close(),
    };
  },
};

interface Address {
  scheme: string;
  host: string;
  port: number;
  path: string;
}

/** Undefined: the host's own. */
function addressOf(options: Record<string, string>): Address | undefined {
  const text = options["syslog-address"] ?? "";
  if (text === "") return undefined;
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(text) ?? [];
  if (!SCHEMES.includes(scheme)) throw wrong(`unsupported scheme: '${scheme}'`);
  if (scheme.startsWith("unix")) {
    if (!existsSync(rest)) throw wrong(`stat ${rest}: no such file or directory`);
    return { scheme, host: "", port: 0, path: rest };
  }
  const match = /^(?:\[([^\]]*)\]|([^:/]*))(?::(\d*))?\/?$/.exec(rest);
  if (!match) throw wrong(`syslog-address: bad address: ${text}`);
  return { scheme, host: match[1] || match[2] || "127.0.0.1", port: Number(match[3] || PORT), path: "" };
}

function facilityOf(options: Record<string, string>): number {
  const text = options["syslog-facility"] ?? "";
  if (text === "") return DAEMON;
  const named = UNNAMED.has(text) ? -1 : FACILITIES.indexOf(text);
  if (named >= 0) return named;
  if (/^\d+$/.test(text) && Number(text) < FACILITIES.length) return Number(text);
  throw wrong("invalid syslog facility");
}

async function dial(options: Record<string, string>): Promise<Channel & { isStream: boolean }> {
  const address = addressOf(options);
  if (!address) return dialLocal();
  const { scheme, host, port, path } = address;
  if (scheme === "udp") return { ...(await dialUdp(host, port)), isStream: false };
  if (scheme === "unix" || scheme === "unixgram") return dialUnix(path, scheme);
  const tls = scheme === "tcp+tls" ? { tls: tlsOf(options, host) } : {};
  return { ...(await dialStream({ host, port, ...tls })), isStream: true };
}

async function dialLocal(): Promise<Channel & { isStream: boolean }> {
  for (const path of LOCAL) if (existsSync(path)) return dialUnix(path, "unixgram");
  throw new BerthError("internal", "Unix syslog delivery error");
}

/** Most hosts' sockets take datagrams, whichever of the two kinds was asked for. */
async function dialUnix(path: string, scheme: string): Promise<Channel & { isStream: boolean }> {
  const stream = async () => ({ ...(await dialStream({ path })), isStream: true });
  const datagrams = async () => ({ ...dialUnixDatagram(path), isStream: false });
  const [first, second] = scheme === "unix" ? [stream, datagrams] : [datagrams, stream];
  try {
    return await first();
  } catch (error) {
    return second().catch(() => Promise.reject(error));
  }
}

function tlsOf(options: Record<string, string>, host: string): ConnectionOptions {
  const read = (key: string, what: string): { [k: string]: Buffer } | undefined => {
    const path = options[key];
    if (!path) return undefined;
    try {
      return { [what]: readFileSync(path) };
    } catch (error) {
      const why = errnoOf(error) === "ENOENT" ? `open ${path}: no such file or directory` : messageOf(error);
      throw new BerthError(
        "invalid-argument",
        `could not read ${what === "ca" ? "CA certificate" : what} "${path}": ${why}`,
      );
    }
  };
  return {
    servername: host,
    ...read("syslog-tls-ca-cert", "ca"),
    ...read("syslog-tls-cert", "cert"),
    ...read("syslog-tls-key", "key"),
    // Docker looks at whether it is given, not at what.
    rejectUnauthorized: (options["syslog-tls-skip-verify"] ?? "") === "",
  };
}

function formatter({ record, options }: LogSource): (message: LogMessage) => Buffer {
  const tag = logTag(record, options["tag"] || "{{.ID}}");
  const facility = facilityOf(options);
  const format = options["syslog-format"] ?? "";
  const isFramed = format.startsWith("rfc5424") && (options["syslog-address"] ?? "").startsWith("tcp+tls:");
  const host = hostname();
  const head = (priority: number, time: string): string => {
    const own = `${tag}[${process.pid}]:`;
    if (format === "") return `<${priority}>${stamp(time)} ${own} `;
    if (format === "rfc3164") return `<${priority}>${stamp(time)} ${host} ${own} `;
    const digits = format === "rfc5424micro" ? 6 : 0;
    return `<${priority}>1 ${isoTime(time, digits)} ${host} ${tag} ${process.pid} ${tag} - `;
  };
  return ({ line, stream, time }) => {
    const text = Buffer.concat([Buffer.from(head(facility * 8 + SEVERITY[stream], time)), line, Buffer.of(10)]);
    // RFC 5425, section 4.3.
    return isFramed ? Buffer.concat([Buffer.from(`${text.length} `), text]) : text;
  };
}

/** `Jan _2 15:04:05`, in the host's own time. */
function stamp(time: string): string {
  const at = new Date(time);
  const two = (n: number): string => String(n).padStart(2, "0");
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
  return `${MONTHS[at.getMonth()]} ${String(at.getDate()).padStart(2)} ${clock}`;
}

function isoTime(time: string, digits: number): string {
  const [, seconds = time, fraction = ""] = /^(.*?:\d\d)(?:\.(\d+))?Z$/.exec(time) ?? [];
  return `${seconds}${digits > 0 ? `.${fraction.padEnd(digits, "0").slice(0, digits)}` : ""}Z`;
}
