import { BerthError } from "../../../../spec/errors.ts";
import { runProgram } from "../program.ts";
import type { Workshop } from "../recipe.ts";
import type { ApkPackage } from "./package.ts";

/** execve(2), MAX_ARG_STRLEN. */
const MAX_SCRIPT = 128 * 1024 - 1;
/** `$1` is the new root. /dev and /proc are there while the script runs, and nothing of this host's but the harmless devices. */
const ENTER = `r=$1; shift
if [ -d "$r/proc" ] && [ ! -L "$r/proc" ]; then mount -t proc proc "$r/proc"; fi
if [ -d "$r/dev" ] && [ ! -L "$r/dev" ]; then
  mount -t tmpfs -o mode=755,size=64k dev "$r/dev"
  for n in null zero full random urandom; do : >"$r/dev/$n"; mount --bind "/dev/$n" "$r/dev/$n"; done
fi
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" chroot "$r" "$@"`;

/** A command inside the new root, in namespaces of its own and without a network. Throws in its own words where it fails. */
export async function runInside(shop: Workshop, root: string, argv: readonly string[]): Promise<void> {
  await runProgram(shop, ["sh", "-euc", ENTER, "sh", root, ...argv], { offline: true });
}

/**
 * Runs a package's script of that kind, if it has one, with `args`, as apk does: after its name. The script goes to the shell that its first line names as a text, so that nothing is
 * written into the tree for it.
 */
export async function runScript(
  shop: Workshop,
  root: string,
  script: { pkg: ApkPackage; kind: string; args: string[] },
): Promise<void> {
  const { entry, scripts } = script.pkg;
  const body = scripts.get(script.kind);
  if (!body) return;
  const name = `${entry.name}-${entry.version}.${script.kind}`;
  const shell = /^#!\s*(\/\S+)(.*)/.exec(body.toString("latin1", 0, 256));
  const words = [shell?.[1] ?? "", ...(shell?.[2] ?? "").trim().split(/\s+/)].filter((word) => word !== "");
  if (!/\/(busybox|[a-z]*sh)$/.test(words[0] ?? "") || body.length > MAX_SCRIPT || body.includes(0)) {
    throw new BerthError("unavailable", `${name}: it is no shell script that can run here`);
  }
  try {
    await runInside(shop, root, [...words, "-c", body.toString(), name, ...script.args]);
  } catch (cause) {
    shop.signal.throwIfAborted();
    if (!(cause instanceof BerthError) || cause.kind === "no-space") throw cause;
    throw new BerthError("unavailable", cause.message.replace(/^bootstrap: sh:/, `${name} failed:`), { cause });
  }
}
