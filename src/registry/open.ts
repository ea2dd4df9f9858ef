import type { Reference } from "../spec/reference.ts";
import { openRegistryClient } from "./client.ts";
import type { Credentials, Repository } from "./types.ts";

/** One repository for a command line that asks a registry without the engine; certificates are found where dockerd has them. */
export function openRemote(
  ref: Reference,
  options: { push: boolean; insecure: boolean; credentials: Credentials; signal?: AbortSignal },
): Repository {
  const { push, insecure, credentials, signal } = options;
  const client = openRegistryClient({
    mirrors: [],
    insecure: insecure ? [ref.domain] : [],
    certsDirs: ["/etc/berth/certs.d", "/etc/docker/certs.d"],
    userAgent: "berth-cli",
  });
  return client.repository(ref, { push, credentials, ...(signal ? { signal } : {}) });
}
