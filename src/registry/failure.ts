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

/** What is wrong with a certificate, as Docker says it, and what to do. */
const TLS: [codes: RegExp, cause: string, hint: (host: string) => string][] = [
  [
    /CERT_HAS_EXPIRED/,
    "x509: certificate has expired",
    () => "the registry has to renew it; or is this machine's clock right?",
  ],
  [/CERT_NOT_YET_VALID/, "x509: certificate is not valid yet", () => "is this machine's clock right?"],
  [
    /ALTNAME|HOSTNAME/,
    "x509: certificate is valid for other names than this host",
    () => "use a name that is in it, or let the registry have one for this name",
  ],
  [
    /SELF_SIGNED|UNABLE_TO|UNKNOWN|CERT_UNTRUSTED/,
    "x509: certificate signed by unknown authority",
    (host) =>
      `put the authority's certificate into /etc/docker/certs.d/${host}/ca.crt, or name ${host} in insecure-registries`,
  ],
  [/CERT|ERR_TLS|ERR_SSL/, "", (host) => `put what is to be trusted into /etc/docker/certs.d/${host}/ca.crt`],
];

/** Why a registry could not be asked, as Docker says it: the URL, then the cause, and for certificates what to do. */
export function unreachable(error: unknown, { method, url }: { method: string; url: string }): BerthError {
  if (error instanceof BerthError) return error;
  const { host, hostname } = new URL(url);
  const verb = method[0] + method.slice(1).toLowerCase();
  const code = errnoOf(error) ?? "";
  const said = `${verb} "${shown(url)}"`;
  const tls = TLS.find(([codes]) => codes.test(code));
  if (tls && code !== "EPROTO") {
    const [, cause, hint] = tls;
    const words = `${said}: tls: failed to verify certificate: ${cause || messageOf(error)}`;
    return new BerthError("internal", words, { hint: hint(host), cause: error });
  }
  const address = host.includes(":") ? host : `${host}:${url.startsWith("https") ? 443 : 80}`;
  const cause = DIAL[code]
    ? `dial tcp ${address}: ${DIAL[code]}`
    : code === "ENOTFOUND" || code === "EAI_AGAIN"
      ? `dial tcp: lookup ${hostname}: no such host`
      : code === "EPROTO"
        ? "http: server gave HTTP response to HTTPS client"
        : code === "ECONNRESET"
          ? "the connection was closed before the answer was whole"
          : code === "ResponseHeadersTooLarge"
            ? "the head of the answer is too large"
            : messageOf(error);
  return markTransient(new BerthError("internal", `${said}: ${cause}`, { cause: error }), { network: error });
}

/** Without the query: that of a redirect is as good as a password. */
function shown(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
