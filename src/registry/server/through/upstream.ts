import { openRegistryClient } from "../../client.ts";
import type { Repository } from "../../types.ts";

/** A registry that repositories here stand for. Times in milliseconds. */
export interface UpstreamConfig {
  /** First part of the repositories' names here; empty: all that nobody has pushed here. */
  prefix: string;
  /** `HOST[:PORT][/PREFIX]`. */
  registry: string;
  username?: string;
  password?: string;
  /** Any certificate will do, and plain HTTP. */
  insecure: boolean;
  /** For so long a tag is believed without asking. */
  freshMs: number;
  /** What nobody has pulled for so long goes. */
  keepMs?: number;
}

const CERTS = ["/etc/berth/certs.d", "/etc/docker/certs.d"];

/** Opens the repository there that `repository`, which is below the prefix here, stands for. */
export function openUpstream(config: UpstreamConfig, repository: string): Repository {
  const { registry, insecure, username, password } = config;
  const slash = registry.indexOf("/");
  const domain = slash < 0 ? registry : registry.slice(0, slash);
  const folder = slash < 0 ? "" : `${registry.slice(slash + 1)}/`;
  const own = config.prefix === "" ? repository : repository.slice(config.prefix.length + 1);
  const path = domain === "docker.io" && folder === "" && !own.includes("/") ? `library/${own}` : `${folder}${own}`;
  const client = openRegistryClient({
    mirrors: [],
    insecure: insecure ? [domain] : [],
    certsDirs: CERTS,
    userAgent: "berth-registry",
  });
  const credentials = { ...(username ? { username } : {}), ...(password ? { password } : {}) };
  return client.repository({ domain, path }, { credentials });
}
