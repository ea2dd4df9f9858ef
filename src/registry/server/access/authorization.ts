/** What a request's `Authorization` says (RFC 9110, section 11.6.2). `bad`: something, but nothing that can be read. */
export type Authorization =
  | { kind: "none" }
  | { kind: "bad"; why: string }
  | { kind: "basic"; user: string; password: string }
  | { kind: "bearer"; token: string };

/** Characters of the whole header. */
const MOST_HEADER = 16 << 10;
const MOST_PASSWORD = 1024;

/** Reads the header. Secrets stay in the result. */
export function authorizationOf(request: Request): Authorization {
  const header = request.headers.get("authorization");
  if (header === null || header === "") return { kind: "none" };
  if (header.length > MOST_HEADER) return { kind: "bad", why: "the Authorization header is too large" };
  const [, scheme = "", value = ""] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) +(\S+)\s*$/.exec(header) ?? [];
  if (/^bearer$/i.test(scheme)) return { kind: "bearer", token: value };
  if (/^basic$/i.test(scheme)) return basic(value);
  return { kind: "bad", why: "the Authorization header is neither Basic nor Bearer" };
}

/** Name and password as RFC 7617 has them, in UTF-8. */
function basic(value: string): Authorization {
  const bad: Authorization = { kind: "bad", why: "the Basic credentials are damaged" };
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return bad;
  const bytes = Buffer.from(value, "base64");
  const text = bytes.toString("utf8");
  const at = text.indexOf(":");
  if (at < 0 || !Buffer.from(text).equals(bytes)) return bad;
  // dockerd's search says this where nobody is logged in.
  if (text === ":") return { kind: "none" };
  return credentials(text.slice(0, at), text.slice(at + 1)) ?? bad;
}

/** Name and password that anybody may have; undefined where they are too long or hold control characters. */
export function credentials(user: string, password: string): Extract<Authorization, { kind: "basic" }> | undefined {
  if (user.length > 255 || password.length > MOST_PASSWORD) return undefined;
  if (/[\x00-\x1f\x7f]/.test(user + password)) return undefined;
  return { kind: "basic", user, password };
}
