import { RegistryError } from "../errors.ts";
import type { Wish } from "../types.ts";

/** One `auth-param` of a challenge as a quoted string (RFC 9110, section 11.2). */
export function quotedParam(name: string, value: string): string {
  return `${name}="${value.replace(/[\x00-\x1f\x7f]/g, "").replace(/["\\]/g, "\\$&")}"`;
}

/** 401: who is it? `challenge` says how to tell. */
export function unauthorized(
  message: string,
  { challenge, wishes }: { challenge: string; wishes: readonly Wish[] },
): RegistryError {
  const detail = wishes.map(({ repository, action }) => ({
    Type: repository === "" ? "registry" : "repository",
    Class: "",
    Name: repository === "" ? action : repository,
    Action: repository === "" ? "*" : action,
  }));
  return new RegistryError("UNAUTHORIZED", message, {
    headers: { "WWW-Authenticate": challenge },
    ...(detail.length > 0 ? { detail } : {}),
  });
}

/** 403: it is known who it is, and that is not enough. */
export function denied(user: string, { repository, action }: Wish): RegistryError {
  const who = user === "" ? "anonymous users" : user;
  const what = repository === "" ? `use ${action} of this registry` : `${action} ${repository}`;
  return new RegistryError("DENIED", `requested access to the resource is denied: ${who} may not ${what}`);
}
