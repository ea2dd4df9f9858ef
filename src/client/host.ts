import { BerthError } from "../spec/errors.ts";

/** Where the CLI looks when nobody names a host. */
export const DEFAULT_HOST = "unix:///run/berth/berth.sock";

/** A daemon's address, parsed. `text` is what the person gave, for messages. */
export type EngineHost =
  | { kind: "unix"; path: string; text: string }
  | { kind: "tcp"; hostname: string; port: number; text: string };

const TCP_PORT = 2375;

/**
 * Parses `unix://PATH`, `tcp://HOST[:PORT]`, `http://HOST[:PORT]` and, as Docker does, a bare `HOST[:PORT]`.
 * Throws `invalid-argument` for anything else and `not-implemented` for ssh and TLS.
 */
export function parseHost(text: string): EngineHost {
  const [, scheme = "tcp", rest = ""] = /^(?:([a-z]+):\/\/)?(.*)$/.exec(text.trim()) ?? [];
  if (scheme === "unix") {
    return { kind: "unix", path: rest === "" ? DEFAULT_HOST.slice("unix://".length) : rest, text };
  }
  if (scheme === "ssh" || scheme === "https") {
    throw new BerthError("not-implemented", `unable to use host "${text}": ${scheme}:// is not supported`, {
      hint: "use unix:// or tcp://, for example through 'ssh -L'",
    });
  }
  const match = /^(\[[0-9a-fA-F:]+\]|[^:/\s[\]]*)(?::(\d{1,5}))?\/?$/.exec(rest);
  if (!match || rest === "" || (scheme !== "tcp" && scheme !== "http")) {
    throw new BerthError("invalid-argument", `unable to parse docker host \`${text}\``, {
      hint: "a host is unix:///path/to.sock or tcp://host:port",
    });
  }
  const hostname = (match[1] || "127.0.0.1").replace(/^\[|\]$/g, "");
  return { kind: "tcp", hostname, port: Number(match[2] ?? TCP_PORT), text };
}

/** What `node:net`'s connect takes to reach the host. */
export function socketOptions(host: EngineHost): { path: string } | { host: string; port: number } {
  return host.kind === "unix" ? { path: host.path } : { host: host.hostname, port: host.port };
}
