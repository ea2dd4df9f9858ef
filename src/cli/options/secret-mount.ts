import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import type { Mount } from "../../spec/engine-api.ts";
import type { BerthError } from "../../spec/errors.ts";
import { goErrno } from "../../spec/go-errno.ts";

/** Words of `--mount` that only a secret has. */
export type SecretWords = Partial<Record<"uid" | "gid" | "mode" | "env", string>>;

/**
 * `--mount type=secret`: a file of the caller's, or with `env` a variable of the caller's, whose bytes go with the request. A name of the variable
 * is all that stands among arguments.
 */
export function secretOf(
  { secret = {}, map, ...mount }: Mount & { map?: string; secret?: SecretWords },
  complain: (why: string) => BerthError,
): Mount {
  const { env } = secret;
  const others = Object.keys(mount).find((key) => key.endsWith("Options"));
  if (others || map !== undefined) throw complain("cannot mix other options with mount type 'secret'");
  if ((env === undefined) === !mount.Source) throw complain("a secret has either a source or an env");
  const source = mount.Source ? resolve(mount.Source.replace(/^~(?=\/)/, process.env["HOME"] ?? "~")) : undefined;
  const target = mount.Target ?? basename(source ?? env ?? "");
  if (!target) throw complain("target is required");
  return {
    Type: "secret",
    ...(source ? { Source: source } : {}),
    Target: resolve("/run/secrets", target),
    SecretOptions: {
      Data: (env === undefined ? ofFile(source ?? "", complain) : ofVariable(env, complain)).toString("base64"),
      ...numbers(secret, complain),
    },
  };
}

function ofFile(path: string, complain: (why: string) => BerthError): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw complain(`open ${path}: ${goErrno(error)}`);
  }
}

function ofVariable(name: string, complain: (why: string) => BerthError): Buffer {
  const value = process.env[name];
  if (value === undefined) throw complain(`the variable ${name} is not set`);
  return Buffer.from(value);
}

function numbers(
  secret: SecretWords,
  complain: (why: string) => BerthError,
): { UID?: number; GID?: number; Mode?: number } {
  const number = (key: "uid" | "gid" | "mode", pattern: RegExp, base: number): number | undefined => {
    const text = secret[key];
    if (text !== undefined && !pattern.test(text)) throw complain(`invalid value for ${key}: ${text}`);
    return text === undefined ? undefined : Number.parseInt(text, base);
  };
  const [UID, GID] = [number("uid", /^\d{1,10}$/, 10), number("gid", /^\d{1,10}$/, 10)];
  const Mode = number("mode", /^[0-7]{1,4}$/, 8);
  return {
    ...(UID === undefined ? {} : { UID }),
    ...(GID === undefined ? {} : { GID }),
    ...(Mode === undefined ? {} : { Mode }),
  };
}
