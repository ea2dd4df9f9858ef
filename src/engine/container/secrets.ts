import { readFileSync, statSync } from "node:fs";
import { basename, dirname, posix } from "node:path";
import { ensurePrivateDir, writeAtomic } from "../../host/files.ts";
import type { Mount as ApiMount, HostConfig } from "../../spec/engine-api.ts";
import { errnoOf } from "../../spec/errors.ts";
import { goErrno } from "../../spec/go-errno.ts";
import type { Owner } from "../../spec/id-map.ts";
import type { Complain } from "./mount-config.ts";
import type { PlannedMount } from "./planned-mount.ts";

/** What Docker lets a secret have. */
const MAX_BYTES = 500 * 1024;
const MODE = 0o400;
const MODE_BITS = 0o777;
const MAX_ID = 2 ** 31 - 1;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const FOLDER = "/run/secrets";

/** Where a secret is in the container that names no target: below /run/secrets, as is a relative target. */
export function secretTarget({ Target: target, Source: source }: ApiMount): string {
  return posix.resolve(FOLDER, target || basename(source ?? ""));
}

/** A secret with its bytes: those of the request, or else of the file of this host that it names. No message holds any of them. */
export function secretMount(mount: ApiMount, destination: string, complain: Complain): PlannedMount {
  const { UID: uid, GID: gid, Mode: mode = MODE } = mount.SecretOptions ?? {};
  for (const id of [uid, gid])
    if (id !== undefined && (id < 0 || id > MAX_ID)) throw complain(`invalid owner of a secret: ${id}`);
  if (mode < 0 || mode > MODE_BITS) throw complain(`invalid mode of a secret: ${mode.toString(8)}`);
  const owner = { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
  const shared = { source: "", destination, mode: "", rw: false, propagation: "" };
  return { mount: { type: "secret", ...shared, secret: { ...owner, mode } }, bytes: bytesOf(mount, complain) };
}

function bytesOf({ Source: source = "", SecretOptions: options }: ApiMount, complain: Complain): Buffer {
  const data = options?.Data;
  const tooLong = (): Error => complain(`a secret has at most ${MAX_BYTES} bytes`);
  if (data !== undefined) {
    if (data.length > MAX_BYTES * 2) throw tooLong();
    if (!BASE64.test(data)) throw complain("field SecretOptions.Data must be base64");
    const bytes = Buffer.from(data, "base64");
    if (bytes.length > MAX_BYTES) throw tooLong();
    return bytes;
  }
  if (source === "") throw complain("field Source must not be empty");
  if (!source.startsWith("/")) throw complain(`invalid mount path: '${source}' mount path must be absolute`);
  try {
    const stat = statSync(source);
    if (!stat.isFile()) throw complain(`secret ${source} is not a file`);
    if (stat.size > MAX_BYTES) throw tooLong();
    return readFileSync(source);
  } catch (error) {
    throw errnoOf(error) === undefined ? error : complain(`open ${source}: ${goErrno(error)}`);
  }
}

/** The configuration as it is kept and shown. */
export function withoutSecrets(host: HostConfig): HostConfig {
  if (!host.Mounts?.some((mount) => mount.SecretOptions)) return host;
  const Mounts = host.Mounts.map(({ SecretOptions: options, ...mount }) => {
    const { Data: _, ...kept } = options ?? {};
    return Object.keys(kept).length > 0 ? { ...mount, SecretOptions: kept } : mount;
  });
  return { ...host, Mounts };
}

/** The plans with the places in the container's own folder where it keeps its secrets. */
export function placeSecrets(plans: readonly PlannedMount[], dir: string): PlannedMount[] {
  return plans.map((plan, index) =>
    plan.bytes ? { ...plan, mount: { ...plan.mount, source: `${dir}/secrets/${index}` } } : plan,
  );
}

/** Keeps the secrets there, for every start: they go with the container. */
export function writeSecrets(plans: readonly PlannedMount[]): void {
  for (const { bytes, mount } of plans) {
    if (!bytes) continue;
    ensurePrivateDir(dirname(mount.source));
    writeAtomic(mount.source, bytes, { mode: 0o600, durable: true });
    bytes.fill(0);
  }
}

/** Whose a secret is, in numbers: the user's that the container runs as, unless somebody was named. */
export function secretOwner(
  { uid, gid, mode }: { uid?: number; gid?: number; mode: number },
  user: Owner,
): Owner & { mode: number } {
  return { uid: uid ?? user.uid, gid: gid ?? user.gid, mode };
}
