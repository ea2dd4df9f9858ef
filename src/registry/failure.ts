import type { FetchAnswer } from "../host/fetch.ts";
import { BerthError, errnoOf, messageOf } from "../spec/errors.ts";
import { familiarName, type Reference } from "../spec/reference.ts";
import { markTransient } from "./retry.ts";

const MAX_ERROR = 64 * 1024;
const MAX_WORDS = 300;

/** One entry of a registry's list of errors (OCI distribution-spec, "Error Codes"). */
interface RegistryError {
  code: string;
  message: string;
}

/** What was asked for. */
interface Where {
  ref: Reference;
  target?: string;
  what: string;
  anonymous: boolean;
}

/** What an answer with an error's status says, in Docker's words, and with the status that dockerd gives it. */
export async function failureOf(answer: FetchAnswer, where: Where): Promise<BerthError> {
  return markTransient(await explained(answer, where), { answer });
}

async function explained(answer: FetchAnswer, where: Where): Promise<BerthError> {
  const error = await firstError(answer);
  const { ref, target, anonymous } = where;
  const name = familiarName(ref);
  const said = error ? `${error.code.toLowerCase().replaceAll("_", " ")}: ${error.message}` : `status ${answer.status}`;
  if (answer.status === 401 || answer.status === 403) {
    if (answer.status === 401 && anonymous) return denied(name, said, "no basic auth credentials");
    return denied(name, said);
  }
  if (answer.status === 404 && target !== undefined) {
    const full = target.startsWith("sha256:") ? `${name}@${target}` : `${name}:${target}`;
    return new BerthError("not-found", `manifest for ${full} not found: ${said}`);
  }
  if (answer.status === 404) return new BerthError("not-found", `${where.what}: ${said}`);
  if (answer.status === 429)
    return new BerthError("internal", `toomanyrequests: ${error?.message ?? "the registry asks for a pause"}`, {
      hint: "try again later, or log in",
    });
  return new BerthError("internal", `${where.what}: registry ${ref.domain}: ${said}`);
}

function denied(name: string, said: string, anonymous?: string): BerthError {
  const words =
    anonymous ?? `pull access denied for ${name}, repository does not exist or may require 'docker login': ${said}`;
  return new BerthError("not-found", words);
}

async function firstError(answer: FetchAnswer): Promise<RegistryError | undefined> {
  try {
    const { errors } = JSON.parse((await answer.bytes(MAX_ERROR)).toString()) as {
      errors?: { code?: unknown; message?: unknown }[];
    };
    const [first] = errors ?? [];
    if (!first) return undefined;
    const line = (value: unknown): string =>
      String(value ?? "")
        .replace(/\s+/g, " ")
        .slice(0, MAX_WORDS);
    return { code: line(first.code), message: line(first.message) };
  } catch {
    return undefined;
  }
}

const DIAL: Record<string, string> = {
  ECONNREFUSED: "connect: connection refused",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
  ETIMEDOUT: "i/o timeout",
};

/** Why a registry could not be asked, as Docker says it: the URL, then the cause. */
export function unreachable(error: unknown, { method, url }: { method: string; url: string }): BerthError {
  if (error instanceof BerthError) return error;
  const { host, hostname } = new URL(url);
  const verb = method[0] + method.slice(1).toLowerCase();
  const code = errnoOf(error) ?? "";
  const address = host.includes(":") ? host : `${host}:${url.startsWith("https") ? 443 : 80}`;
  const cause = DIAL[code]
    ? `dial tcp ${address}: ${DIAL[code]}`
    : code === "ENOTFOUND" || code === "EAI_AGAIN"
      ? `dial tcp: lookup ${hostname}: no such host`
      : code === "EPROTO"
        ? "http: server gave HTTP response to HTTPS client"
        : /CERT|SELF_SIGNED|UNABLE_TO/.test(code)
          ? `tls: failed to verify certificate: ${messageOf(error)}`
          : code === "ECONNRESET"
            ? "the connection was closed before the answer was whole"
            : messageOf(error);
  return markTransient(new BerthError("internal", `${verb} "${shown(url)}": ${cause}`, { cause: error }), {
    network: error,
  });
}

/** Without the query: that of a redirect is as good as a password. */
function shown(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
