import { BerthError } from "../../../spec/errors.ts";
import type { RegistryConfig } from "../config.ts";
import type { Storage } from "../types.ts";
import { openFolderStorage } from "./folder.ts";

/** The storage that the configuration names. */
export async function openStorage(config: Pick<RegistryConfig, "root" | "s3">): Promise<Storage> {
  if (config.s3) throw new BerthError("not-implemented", "registry: object stores are not there yet");
  return openFolderStorage(config.root);
}
