import { BerthError, errnoOf } from "../spec/errors.ts";
import { parseReference, type Reference } from "../spec/reference.ts";
import type { Context } from "./context.ts";
import { ExitError } from "./exit.ts";

const LIMIT_MS = 10_000;
const DNS_FAILURES = new Set(["ENOTFOUND", "EAI_AGAIN", "DNSException"]);

/** What the commands of `trust` that make or read keys say: Berth verifies digests, and signs nothing. */
export function noSigning(): never {
  throw new ExitError(
    1,
    "Docker Content Trust is not part of Berth: it keeps no signing keys (sign with cosign or notation instead)",
  );
}

/** A name with a tag, for commands that sign one image. */
export function taggedReference(text: string): Reference {
  const ref = parseReference(text);
  if (ref.digest) throw new BerthError("invalid-argument", "cannot use a digest reference for IMAGE:TAG");
  if (!ref.tag) throw new BerthError("invalid-argument", `no tag specified for ${text}`);
  return ref;
}

/**
 * Why the Notary server of a registry has nothing to say: it cannot be reached, or it speaks a protocol that Berth does not.
 * `DOCKER_CONTENT_TRUST_SERVER` names another server.
 */
export async function whyUnsigned(ctx: Context, domain: string): Promise<string> {
  const own = domain === "docker.io" ? "https://notary.docker.io" : `https://${domain}`;
  const server = new URL(ctx.env["DOCKER_CONTENT_TRUST_SERVER"] || own);
  try {
    await fetch(new URL("/v2/", server), { signal: AbortSignal.timeout(LIMIT_MS) });
    return `${server.host} answers, but Berth does not speak to Notary servers`;
  } catch (error) {
    const code = codeOf(error);
    if (DNS_FAILURES.has(code)) return `dial tcp: lookup ${server.hostname}: no such host`;
    return `dial tcp ${server.host}: ${/refused/i.test(code) ? "connect: connection refused" : code}`;
  }
}

function codeOf(error: unknown): string {
  const inner = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return errnoOf(inner) ?? errnoOf(error) ?? (error instanceof Error ? error.message : String(error));
}
