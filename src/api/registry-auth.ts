import type { RegistryAuth } from "./backend.ts";
import { invalid } from "./errors.ts";

const KEYS = ["username", "password", "serveraddress", "identitytoken", "registrytoken"] as const;

/**
 * Credentials of a header: base64 (of either alphabet) of a JSON object (specification, "Authentication"). Undefined for none, and for what cannot be read:
 * then the registry is asked without, as dockerd does.
 */
export function registryAuth(header: string | undefined): RegistryAuth | undefined {
  if (!header) return undefined;
  return credentialsIn(decoded(header));
}

/** The credentials of `X-Registry-Config`, by registry. Throws `invalid-argument` for what is no JSON. */
export function registryConfig(header: string | undefined): Record<string, RegistryAuth> | undefined {
  if (!header) return undefined;
  const value = decoded(header);
  if (typeof value !== "object" || value === null) throw invalid("X-Registry-Config is no JSON object");
  return Object.fromEntries(
    Object.entries(value).flatMap(([host, auth]) => {
      const found = credentialsIn(auth);
      return found ? [[host, found]] : [];
    }),
  );
}

function decoded(header: string): unknown {
  try {
    return JSON.parse(Buffer.from(header, "base64").toString());
  } catch {
    return undefined;
  }
}

function credentialsIn(value: unknown): RegistryAuth | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const parts = KEYS.flatMap((key) => {
    const text = (value as Record<string, unknown>)[key];
    return typeof text === "string" && text !== "" ? [[key, text]] : [];
  });
  return Object.fromEntries(parts) as RegistryAuth;
}
