import { readFileSync } from "node:fs";
import { join } from "node:path";
import { preferMemory } from "../../host/memory.ts";
import { BerthError, isKind, messageOf } from "../../spec/errors.ts";
import { type RegistryConfig, type RegistryFlags, registryConfig } from "./config.ts";
import { openRegistry } from "./registry.ts";
import { scrub } from "./scrub.ts";
import { describe, serveRegistry } from "./serve.ts";
import { openStorage } from "./storage/open.ts";

export { addUser, listUsers, removeUser } from "./access/users.ts";

/** Where a command writes lines: what was asked for, and what happens meanwhile. */
export interface CommandOutput {
  out(line: string): void;
  log(line: string): void;
}

/** `berth registry serve`: runs until SIGTERM or SIGINT. SIGUSR1 collects garbage now, SIGHUP looks for other certificates. Returns the exit code. */
export async function runRegistry(flags: RegistryFlags, { log }: CommandOutput): Promise<number> {
  preferMemory();
  const ended = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => resolve());
  });
  const stamped = (line: string): void => log(`${new Date().toISOString()} ${line.replaceAll("\n", " ")}`);
  const config = registryConfig(flags);
  await using registry = await serveRegistry(config, stamped);
  process.on("SIGPIPE", () => undefined);
  process.on("SIGUSR1", () => {
    registry.collect().then(
      (done) => stamped(`collected ${describe(done)}`),
      (error: unknown) => stamped(`collection: ${messageOf(error)}`),
    );
  });
  process.on("SIGHUP", () => void registry.reload());
  process.on("unhandledRejection", (error) => stamped(`internal error: ${messageOf(error)}`));
  await ended;
  stamped("leaving");
  return 0;
}

/** `berth registry gc`: collects now; where the folder is in use the registry there is told to. */
export async function collectRegistry(flags: RegistryFlags, output: CommandOutput): Promise<number> {
  const config = registryConfig(flags);
  try {
    await using storage = await openStorage(config);
    output.out(`collected ${describe(await openRegistry({ storage }).collector.collect(config.gc))}`);
  } catch (error) {
    if (!isKind(error, "conflict")) throw error;
    const pid = holderOf(config);
    process.kill(pid, "SIGUSR1");
    output.out(`told the registry that runs there (process ${pid}) to collect; its log says what went`);
  }
  return 0;
}

/** `berth registry scrub`: reads all blobs. Exit code 1 where some were damaged. */
export async function scrubRegistry(flags: RegistryFlags, output: CommandOutput): Promise<number> {
  await using storage = await openStorage(registryConfig(flags));
  const { blobs, bytes, damaged } = await scrub(storage);
  for (const digest of damaged) output.out(`damaged: ${digest}`);
  output.out(`${blobs} blobs read, ${bytes} bytes, ${damaged.length} damaged`);
  if (damaged.length > 0) output.log("push again what has them: they are no more");
  return damaged.length > 0 ? 1 : 0;
}

function holderOf({ root }: RegistryConfig): number {
  const pid = Number(readFileSync(join(root, "lock"), "utf8"));
  if (Number.isInteger(pid) && pid > 1) return pid;
  throw new BerthError("conflict", `${root} is in use by another process`, { hint: "stop it first" });
}
