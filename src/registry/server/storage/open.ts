import type { RegistryConfig } from "../config.ts";
import type { Storage } from "../types.ts";
import { openFolderStorage } from "./folder.ts";
import { openS3Storage, s3Options } from "./s3.ts";

/** The storage that the configuration names. */
export async function openStorage(config: Pick<RegistryConfig, "root" | "s3">): Promise<Storage> {
  if (config.s3) return openS3Storage(s3Options(config.s3));
  return openFolderStorage(config.root);
}
