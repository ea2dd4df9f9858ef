import { BerthError } from "../spec/errors.ts";

/** Where the CLI looks when nobody names a host. */
export const DEFAULT_HOST = "unix:///run/berth/berth.sock";

/** What a TLS connection shows and trusts, PEM texts. `verify` false takes any certificate of the engine. */
export interface TlsMaterial {
  ca?: string;
  cert?: string;
  key?: string;
  verify: boolean;
}

/** A daemon's address, parsed. `text` is what the person gave, for messages; `path` of ssh is the socket over there, or empty. */
export type EngineHost =
  | { kind: "unix"; path: string; text: string }
  | { kind: "tcp"; hostname: string; port: number; text: string; tls?: TlsMaterial | undefined }
  | { kind: "ssh"; destination: string[]; path: string; text: string };

const TCP_PORT = 2375;
const TLS_PORT = 2376;

/**
 * Parses `unix://PATH`, `tcp://HOST[:PORT]`, `http://HOST[:PORT]`, `https://…`, `ssh://[USER@]HOST[:PORT][/SOCKET]` and, as
 * Docker does, a bare `HOST[:PORT]`. Throws `invalid-argument` for anything else.
 */
export function parseHost(text: string, tls?: TlsMaterial): EngineHost {
  const [, scheme = "tcp", rest = ""] = /^(?:([a-z]+):\/\/)?(.*)$/.exec(text.trim()) ?? [];
  if (scheme === "unix") {
    return { kind: "unix", path: rest === "" ? DEFAULT_HOST.slice("unix://".length) : rest, text };
  }
  if (scheme === "ssh") return parseSsh(text);
  const match = /^(\[[0-9a-fA-F:]+\]|[^:/\s[\]]*)(?::(\d{1,5}))?\/?$/.exec(rest);
  if (!match || rest === "" || !["tcp", "http", "https"].includes(scheme)) {
    throw new BerthError("invalid-argument", `unable to parse docker host \`${text}\``, {
      hint: "a host is unix:///path/to.sock, tcp://host:port or ssh://user@host",
    });
  }
  const hostname = (match[1] || "127.0.0.1").replace(/^\[|\]$/g, "");
  const secure = tls ?? (scheme === "https" ? { verify: true } : undefined);
  const port = Number(match[2] ?? (secure ? TLS_PORT : TCP_PORT));
  return { kind: "tcp", hostname, port, text, ...(secure ? { tls: secure } : {}) };
}

/** Docker's rules for `ssh://`: no password, no query; nothing in it may be read as an option of ssh. */
function parseSsh(text: string): EngineHost {
  const bad = (why: string): BerthError =>
    new BerthError("invalid-argument", `invalid host "${text}": ssh host connection is not valid: ${why}`);
  const match = /^ssh:\/\/(?:([^@/?#]*)@)?(\[[0-9a-fA-F:]+\]|[^:/?#\s[\]]*)(?::(\d{1,5}))?(\/[^?#]*)?([?#].*)?$/.exec(
    text,
  );
  if (!match) throw bad("want ssh://user@host:port/socket");
  const [, user = "", name = "", port, path = "", query] = match;
  if (user.includes(":")) throw bad("plain-text password is not supported");
  if (name === "") throw bad("hostname is empty");
  if (query !== undefined) throw bad("query parameters are not allowed");
  if (user.startsWith("-") || name.startsWith("-")) throw bad("a name cannot begin with a dash");
  const destination = [...(user ? ["-l", user] : []), ...(port ? ["-p", port] : [])];
  return {
    kind: "ssh",
    destination: [...destination, "-o", "ConnectTimeout=30", "-T", "--", name.replace(/^\[|\]$/g, "")],
    path: path === "/" ? "" : path,
    text,
  };
}
