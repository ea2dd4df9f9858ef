import { join } from "node:path";
import type { TestDaemon } from "../../../src/testing/daemon.ts";

const ROOTFS = join(import.meta.dir, "../../../.build/services.tar");

/** The images `app-db`, a real postgres, and `app-web`, a program that writes into it and reads it, from what tools/fetch-services put together. */
export async function makeServices(daemon: TestDaemon): Promise<void> {
  await daemon.ok("import", ROOTFS, "services");
  for (const name of ["db", "web"]) await daemon.ok("build", "-q", "-t", `app-${name}`, join(import.meta.dir, name));
}
